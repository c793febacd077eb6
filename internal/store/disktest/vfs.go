package disktest

import (
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite "modernc.org/sqlite/lib"
)

// SQLite writes through what it calls a VFS (https://sqlite.org/vfs.html). Ours is
// the usual one, but for files that a Disk has: there it says what is done to them.
func init() {
	tls := libc.NewTLS()
	usual = pointer[sqlite.Tsqlite3_vfs](sqlite.Xsqlite3_vfs_find(tls, 0))
	name, err := libc.CString("disktest")
	if err != nil {
		panic(err)
	}
	ours := allocate(tls, *usual)
	ours.FpNext, ours.FzName = 0, name
	ours.FxOpen, ours.FxDelete = function(xOpen), function(xDelete)
	if code := sqlite.Xsqlite3_vfs_register(tls, address(ours), 1); code != sqlite.SQLITE_OK {
		panic(fmt.Sprint("disktest: register: ", code))
	}
}

var usual *sqlite.Tsqlite3_vfs

// handles are the open files that are watched, by SQLite's address of each.
var handles sync.Map

type handle struct {
	disk   *Disk
	file   *file
	folder bool // it is made, so SQLite syncs the folder with it
	usual  *sqlite.Tsqlite3_io_methods
}

// methods has ours for each set of usual ones, by address.
var methods sync.Map

// SQLite is C that was translated: functions and objects are known by their addresses.
func function[F any](f F) uintptr       { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }
func call[F any](f uintptr) F           { return *(*F)(unsafe.Pointer(&struct{ f uintptr }{f})) }
func pointer[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }
func address[T any](p *T) uintptr       { return uintptr(unsafe.Pointer(p)) }
func allocate[T any](tls *libc.TLS, v T) *T {
	p := pointer[T](libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(v))))
	*p = v
	return p
}

type (
	openFunc     = func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, path uintptr, syncFolder int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	writeFunc    = func(tls *libc.TLS, file, data uintptr, amount int32, at int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

func xOpen(tls *libc.TLS, _, path, at uintptr, flags int32, outFlags uintptr) int32 {
	code := call[openFunc](usual.FxOpen)(tls, address(usual), path, at, flags, outFlags)
	if code != sqlite.SQLITE_OK || path == 0 {
		return code
	}
	disk, ending := diskOf(libc.GoString(path))
	if disk == nil {
		return code
	}
	const journal = sqlite.SQLITE_OPEN_WAL | sqlite.SQLITE_OPEN_MAIN_JOURNAL
	made := flags&sqlite.SQLITE_OPEN_CREATE != 0 && flags&journal != 0
	f := pointer[sqlite.Tsqlite3_file](at)
	h := &handle{disk, disk.open(ending), made, pointer[sqlite.Tsqlite3_io_methods](f.FpMethods)}
	handles.Store(at, h)
	f.FpMethods = watched(tls, h.usual)
	return code
}

// watched gives methods that say what they do.
func watched(tls *libc.TLS, of *sqlite.Tsqlite3_io_methods) uintptr {
	if ours, ok := methods.Load(address(of)); ok {
		return ours.(uintptr)
	}
	ours := allocate(tls, *of)
	ours.FxClose, ours.FxWrite = function(xClose), function(xWrite)
	ours.FxTruncate, ours.FxSync = function(xTruncate), function(xSync)
	methods.Store(address(of), address(ours))
	return address(ours)
}

func handleAt(at uintptr) *handle {
	h, _ := handles.Load(at)
	return h.(*handle)
}

func xClose(tls *libc.TLS, at uintptr) int32 {
	h := handleAt(at)
	handles.Delete(at)
	return call[closeFunc](h.usual.FxClose)(tls, at)
}

func xWrite(tls *libc.TLS, at, data uintptr, amount int32, offset int64) int32 {
	h := handleAt(at)
	if h.disk.Full.Load() {
		return sqlite.SQLITE_FULL
	}
	code := call[writeFunc](h.usual.FxWrite)(tls, at, data, amount, offset)
	if code == sqlite.SQLITE_OK {
		written := append([]byte(nil), unsafe.Slice(pointer[byte](data), amount)...)
		h.disk.change(h.file, change{offset, written})
	}
	return code
}

func xTruncate(tls *libc.TLS, at uintptr, size int64) int32 {
	h := handleAt(at)
	code := call[truncateFunc](h.usual.FxTruncate)(tls, at, size)
	if code == sqlite.SQLITE_OK {
		h.disk.change(h.file, change{at: size})
	}
	return code
}

func xSync(tls *libc.TLS, at uintptr, flags int32) int32 {
	h := handleAt(at)
	code := call[syncFunc](h.usual.FxSync)(tls, at, flags)
	if code == sqlite.SQLITE_OK {
		h.disk.sync(h.file, h.folder)
	}
	return code
}

func xDelete(tls *libc.TLS, _, path uintptr, syncFolder int32) int32 {
	code := call[deleteFunc](usual.FxDelete)(tls, address(usual), path, syncFolder)
	if disk, ending := diskOf(libc.GoString(path)); disk != nil && code == sqlite.SQLITE_OK {
		disk.delete(ending, syncFolder != 0)
	}
	return code
}

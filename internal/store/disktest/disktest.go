// Package disktest has a disk for tests that forgets, when its machine dies, what
// was not synced. It sees what SQLite writes, truncates, deletes and syncs.
package disktest

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Disk is what a machine keeps of a database and of the files beside it.
type Disk struct {
	// Full, while it is set, lets nothing be written.
	Full atomic.Bool

	path    string
	syncing func()

	mu    sync.Mutex // guards what follows
	files map[string]*file
}

// A file is one on a Disk, by what its path has after that of the database.
type file struct {
	synced  []byte
	since   []change // that were not synced, in order
	named   bool     // the folder was synced since the file was made
	deleted bool     // and the folder was not synced since
}

// A change is bytes written to a file, or its new size.
type change struct {
	at   int64
	data []byte // nil if the file was truncated
}

var (
	mu    sync.Mutex // guards disks
	disks []*Disk
)

// Watch keeps in mind what is synced of the database at path, and of what is beside
// it, from now on: nobody has it open. Before each sync takes effect, syncing is
// called; it must not use the database. Close ends it.
func Watch(path string, syncing func()) (*Disk, error) {
	d := &Disk{path: path, syncing: syncing, files: make(map[string]*file)}
	for _, ending := range []string{"", "-wal", "-journal"} {
		content, err := os.ReadFile(path + ending)
		if err == nil {
			d.files[ending] = &file{synced: content, named: true}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	disks = append(disks, d)
	return d, nil
}

// Close forgets the disk. Nobody has the database open any more.
func (d *Disk) Close() {
	mu.Lock()
	defer mu.Unlock()
	disks = slices.DeleteFunc(disks, func(other *Disk) bool { return other == d })
}

// diskOf gives the disk that has a path, and what the path ends with; nil if none has.
func diskOf(path string) (*Disk, string) {
	mu.Lock()
	defer mu.Unlock()
	for _, d := range disks {
		switch ending, found := strings.CutPrefix(path, d.path); {
		case found && (ending == "" || ending == "-wal" || ending == "-journal"):
			return d, ending
		}
	}
	return nil, ""
}

// open notes that a file was opened, and perhaps made.
func (d *Disk) open(ending string) *file {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[ending]
	if f == nil || f.deleted {
		f = new(file)
		d.files[ending] = f
	}
	return f
}

func (d *Disk) change(f *file, c change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.since = append(f.since, c)
}

// sync makes what was written to a file last; and the names of all files, if SQLite
// syncs the folder too, as it does with a -wal or a -journal that it made.
func (d *Disk) sync(f *file, folder bool) {
	d.syncing()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range f.since {
		f.synced = c.apply(f.synced)
	}
	f.since = nil
	if folder && !f.named {
		d.syncFolder()
	}
}

func (d *Disk) delete(ending string, folder bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[ending]; f != nil {
		f.deleted = true
	}
	if folder {
		d.syncFolder()
	}
}

func (d *Disk) syncFolder() {
	maps.DeleteFunc(d.files, func(_ string, f *file) bool {
		f.named = true
		return f.deleted
	})
}

func (c change) apply(content []byte) []byte {
	end := c.at + int64(len(c.data))
	if missing := end - int64(len(content)); missing > 0 {
		content = append(content, make([]byte, missing)...)
	}
	if c.data == nil {
		return content[:end]
	}
	copy(content[c.at:], c.data)
	return content
}

// Leave writes to another path what is left of the database if the machine dies now:
// what was synced and, of the rest, nothing or what rng picks, by sectors.
func (d *Disk) Leave(to string, rng *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ending := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[ending]
		if !f.named && (rng == nil || rng.IntN(2) == 0) || f.deleted && rng != nil && rng.IntN(2) == 0 {
			continue
		}
		if err := os.WriteFile(to+ending, f.left(rng), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) left(rng *rand.Rand) []byte {
	content := slices.Clone(f.synced)
	if rng == nil {
		return content
	}
	share := rng.Float64() // of the sectors that reach the disk
	for _, c := range f.since {
		for _, sector := range c.sectors() {
			if rng.Float64() < share {
				content = sector.apply(content)
			}
		}
	}
	return content
}

// sectors cuts a change into what a disk writes as a whole or not at all.
func (c change) sectors() (cut []change) {
	const size = 512
	if c.data == nil {
		return []change{c}
	}
	at, data := c.at, c.data
	for len(data) > 0 {
		n := min(int64(len(data)), size-at%size)
		cut = append(cut, change{at, data[:n]})
		at, data = at+n, data[n:]
	}
	return cut
}

package store

import (
	sqlite3 "modernc.org/sqlite/lib"
)

// What to do about SQLite's codes that a user can meet
// (https://sqlite.org/rescode.html).
const (
	cantWrite = "the disk or its file system refuses to write, as one that has turned read-only after an error: look at `mount` and `dmesg`, and start gapless again when it can be written; what gapless has reported as stored is stored"
	cantRead  = "the disk can't be read: look at `dmesg`, copy the file to another disk, and run `gapless verify` on the copy"
	cantLock  = "the file can't be locked, as on a network drive: put it on a disk of this machine"
	cantOpen  = "the file, or what SQLite keeps beside it, can't be opened: look at the rights of its folder, and how many files a process may open (`ulimit -n`)"
	cantTemp  = "no folder for temporary files can be written: set TMPDIR to one with room"
	noMemory  = "there is not enough memory: stop other programs, or allow this one more"
	readOnly  = "the file can't be written: look at its rights and those of its folder, and whether its file system is mounted read-only"
	ourBug    = "this should not happen: please report it with `gapless status --report`"
)

// codes are sentences by extended code.
var codes = map[int]string{
	sqlite3.SQLITE_IOERR_READ: cantRead, sqlite3.SQLITE_IOERR_SHORT_READ: cantRead, sqlite3.SQLITE_IOERR_FSTAT: cantRead,
	sqlite3.SQLITE_IOERR_DATA: cantRead, sqlite3.SQLITE_IOERR_CORRUPTFS: cantRead, sqlite3.SQLITE_IOERR_SEEK: cantRead,
	sqlite3.SQLITE_IOERR_LOCK: cantLock, sqlite3.SQLITE_IOERR_UNLOCK: cantLock, sqlite3.SQLITE_IOERR_RDLOCK: cantLock,
	sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK: cantLock, sqlite3.SQLITE_IOERR_SHMLOCK: cantLock, sqlite3.SQLITE_IOERR_BLOCKED: cantLock,
	sqlite3.SQLITE_IOERR_GETTEMPPATH: cantTemp, sqlite3.SQLITE_CANTOPEN_NOTEMPDIR: cantTemp,
	sqlite3.SQLITE_IOERR_NOMEM: noMemory,
}

// families are sentences by primary code, for codes that have none.
var families = map[int]string{
	sqlite3.SQLITE_IOERR:    cantWrite,
	sqlite3.SQLITE_CANTOPEN: cantOpen,
	sqlite3.SQLITE_PERM:     cantOpen,
	sqlite3.SQLITE_AUTH:     cantOpen,
	sqlite3.SQLITE_READONLY: readOnly,
	sqlite3.SQLITE_NOMEM:    noMemory,
	sqlite3.SQLITE_NOLFS:    "the file system has no files of that size: put the file on another",
	sqlite3.SQLITE_TOOBIG:   "a value is larger than SQLite stores",
	sqlite3.SQLITE_INTERNAL: ourBug,
	sqlite3.SQLITE_MISUSE:   ourBug,
	sqlite3.SQLITE_RANGE:    ourBug,
}

// sentence says what to do about a code; empty if there is nothing to be said.
func sentence(code int) string {
	if text, ok := codes[code]; ok {
		return text
	}
	return families[code&0xff]
}

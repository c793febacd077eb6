package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrStray: what lies beside the file as its -wal is another's.
var ErrStray = errors.New("the -wal beside the file does not belong to it, and would damage it")

// ownWAL fails with [ErrStray] if a -wal with content is beside a file that is not
// in WAL mode, as a backup is, or has pages of another size. SQLite would apply it:
// it goes by the name alone (https://sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use).
//
// Of two files in WAL mode it can't be known which one a -wal is of. It has two
// random numbers, which begin anew with it, and the file has neither.
//
// No other connection of this process may have locks on the file.
func ownWAL(path string) error {
	wal, err := beginning(path+"-wal", 32)
	if err != nil || len(wal) < 32 || binary.BigEndian.Uint32(wal)&^1 != 0x377f0682 { // else SQLite leaves it alone
		return err
	}
	file, err := beginning(path, 20)
	if err != nil || len(file) < 20 {
		return err
	}
	pageSize := uint32(binary.BigEndian.Uint16(file[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	const modeWAL = 2 // https://sqlite.org/fileformat2.html#file_format_version_numbers
	if file[19] == modeWAL && binary.BigEndian.Uint32(wal[8:]) == pageSize {
		return nil
	}
	return fmt.Errorf("%w: %s-wal", ErrStray, path)
}

// OwnWAL fails with [ErrStray] if the -wal beside a file is another's, as far as that
// can be known. Nothing of this process may have the file open. While somebody has
// it open for writing, it is not looked.
func OwnWAL(path string) error {
	path, err := resolve(path)
	if err != nil || length(path+"-wal") == 0 {
		return err
	}
	if f, err := os.OpenFile(path+".lock", os.O_RDWR, 0); err == nil { // else nobody, or somebody else's
		free, err := tryLock(f)
		if err := errors.Join(err, f.Close()); err != nil || !free {
			return err
		}
	}
	return ownWAL(path)
}

// beginning gives the first bytes of a file, fewer if it is shorter or not there.
func beginning(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content := make([]byte, n)
	n, err = io.ReadFull(f, content)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return content[:n], errors.Join(err, f.Close())
}

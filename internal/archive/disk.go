package archive

import (
	"errors"
	"io"
	"os"
)

// A disk is what changes the files of a dataset. Each call has done all or
// nothing when it returns. What was synced outlasts a loss of power.
type disk interface {
	// Create makes an empty file, or empties it. Close syncs it.
	Create(path string) (io.WriteCloser, error)
	// MkdirAll makes a folder and those above it, where they are not there yet.
	MkdirAll(path string) error
	Rename(from, to string) error
	// Remove removes a file, or a folder that is empty.
	Remove(path string) error
	// Sync syncs the names in a folder.
	Sync(folder string) error
}

// osDisk is the disk of this machine.
type osDisk struct{}

func (osDisk) Create(path string) (io.WriteCloser, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	return syncedFile{f}, nil
}

func (osDisk) MkdirAll(path string) error   { return os.MkdirAll(path, 0o755) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) Sync(folder string) error     { return toDisk(folder) }

type syncedFile struct{ *os.File }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// writeFile writes a whole file.
func writeFile(on disk, path string, content []byte) error {
	f, err := on.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

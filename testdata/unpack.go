package testdata

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
)

// Unpack writes what is in a file compressed by gzip to another, which tests may
// then open as they like.
func Unpack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, unzipped)
	return errors.Join(err, out.Close())
}

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An entry is a file or, without data and with a / at the end of its name, a
// folder of an archive.
type entry struct {
	name    string
	data    []byte
	program bool  // can be run
	mode    int64 // 0 for what is usual
	owner   int   // user and group
}

func (e entry) isFolder() bool { return strings.HasSuffix(e.name, "/") }

func (e entry) permissions() int64 {
	switch {
	case e.mode != 0:
		return e.mode
	case e.program || e.isFolder():
		return 0o755
	}
	return 0o644
}

// complete sorts entries and adds the folders that they are in, so that the
// order in which they came does not matter.
func complete(entries []entry) []entry {
	entries = slices.Clone(entries)
	names := make(map[string]bool)
	for _, e := range entries {
		names[e.name] = true
	}
	for _, e := range entries {
		for dir := path.Dir(path.Clean(e.name)); dir != "."; dir = path.Dir(dir) {
			if !names[dir+"/"] {
				names[dir+"/"] = true
				entries = append(entries, entry{name: dir + "/"})
			}
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries
}

// pack writes an archive for a target, in which all is in a folder of the
// archive's name. It gives the file's path.
func (t target) pack(name string, entries []entry, at time.Time) (string, error) {
	inside := make([]entry, len(entries))
	for i, e := range entries {
		e.name = path.Join(filepath.Base(name), e.name)
		inside[i] = e
	}
	var b bytes.Buffer
	write, suffix := writeTarGz, ".tar.gz"
	if t.os == "windows" {
		write, suffix = writeZip, ".zip"
	}
	if err := write(&b, complete(inside), at); err != nil {
		return "", err
	}
	return name + suffix, os.WriteFile(name+suffix, b.Bytes(), 0o644)
}

func writeTarGz(w io.Writer, entries []entry, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // its header has neither name nor time
	if err != nil {
		return err
	}
	if err := writeTar(z, entries, at); err != nil {
		return err
	}
	return z.Close()
}

// writeTar writes entries as they are, with one time for all.
func writeTar(w io.Writer, entries []entry, at time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.permissions(), Uid: e.owner, Gid: e.owner, Size: int64(len(e.data)), ModTime: at,
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.isFolder() {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(e.data); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeZip(w io.Writer, entries []entry, at time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(e.permissions()))
		if e.isFolder() {
			h.Method = zip.Store
			h.SetMode(os.FileMode(e.permissions()) | os.ModeDir)
		}
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(e.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// sum writes the checksums of files, as sha256sum -c reads them.
func sum(out string, files []string) error {
	slices.Sort(files)
	var lines strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
	}
	fmt.Print(lines.String())
	return os.WriteFile(out, []byte(lines.String()), 0o644)
}

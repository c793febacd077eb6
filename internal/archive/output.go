package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// An Output is a file, or a folder of files, that gets its name only once it is
// whole and on the disk. Until then it is beside that place under a name of its own.
type Output struct {
	path   string // where it will be
	temp   string // where it is
	folder bool
	into   bool // the folder at path is there, and is to have the files
	files  []*os.File
	bufs   []*bufio.Writer
}

// NewOutput begins the file that will be at path. There must be nothing yet,
// unless replace is set; a folder is never replaced.
func NewOutput(path string, replace bool) (*Output, error) {
	o, err := newOutput(path, replace)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(o.path), "."+filepath.Base(o.path)+".*.tmp")
	if err != nil {
		return nil, err
	}
	o.temp = f.Name()
	return o, errors.Join(f.Chmod(0o644), f.Close())
}

// NewFolder begins the folder that will be at path, or files that will be in the
// folder that is there.
func NewFolder(path string) (*Output, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	o := &Output{path: path, folder: true}
	beside := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		o.into, beside = true, path
	} else if err == nil {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	if o.temp, err = os.MkdirTemp(beside, "."+filepath.Base(path)+".*.tmp"); err != nil {
		return nil, err
	}
	return o, os.Chmod(o.temp, 0o755)
}

func newOutput(path string, replace bool) (*Output, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !replace || !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return &Output{path: path}, nil
}

// Temp is where the file is now, for those who write it themselves.
func (o *Output) Temp() string { return o.temp }

// Open gives a writer of the file, or of the file with a name in the folder, where
// there must be none of that name yet.
func (o *Output) Open(name string) (io.Writer, error) {
	path := o.temp
	if o.folder {
		path = filepath.Join(o.temp, name)
	}
	if o.into {
		if there := filepath.Join(o.path, name); exists(there) {
			return nil, fmt.Errorf("%s: %w", there, fs.ErrExist)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	o.files, o.bufs = append(o.files, f), append(o.bufs, buf)
	return buf, nil
}

// Commit gives the file its name, after it is on the disk. If that fails,
// nothing is left.
func (o *Output) Commit() error {
	err := o.flush()
	if err == nil {
		err = toDisk(o.temp)
	}
	if err == nil {
		err = o.name()
	}
	if err != nil {
		o.Abort()
		return err
	}
	o.temp = ""
	return toDisk(filepath.Dir(o.path))
}

// name gives the file or the folder its name, or the files in the folder theirs.
func (o *Output) name() error {
	if !o.into {
		return os.Rename(o.temp, o.path)
	}
	entries, err := os.ReadDir(o.temp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(o.temp, e.Name()), filepath.Join(o.path, e.Name())); err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(o.temp), toDisk(o.path))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (o *Output) flush() (err error) {
	for i, f := range o.files {
		err = errors.Join(err, o.bufs[i].Flush(), f.Sync(), f.Close())
	}
	o.files, o.bufs = nil, nil
	return err
}

// Abort removes what is there, unless it has its name already.
func (o *Output) Abort() {
	for _, f := range o.files {
		_ = f.Close()
	}
	o.files, o.bufs = nil, nil
	if o.temp != "" {
		_ = os.RemoveAll(o.temp)
	}
}

// toDisk waits until a file or folder is on the disk. Windows can't for folders.
func toDisk(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() && runtime.GOOS == "windows" {
		return err
	}
	how := os.O_RDWR
	if info.IsDir() {
		how = os.O_RDONLY
	}
	f, err := os.OpenFile(path, how, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

package archive_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
)

// list gives the names in a folder and in those inside of it.
func list(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(folder, path); name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A file is there once it is committed, and not before.
func TestOutput(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out")
	o := must[*archive.Output](t)(archive.NewOutput(path, false))
	w := must[io.Writer](t)(o.Open(""))
	io.WriteString(w, "text")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit: %v", err)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	o.Abort() // changes nothing any more
	if got := must[[]byte](t)(os.ReadFile(path)); string(got) != "text" {
		t.Errorf("content %q", got)
	}
	if info := must[os.FileInfo](t)(os.Stat(path)); info.Mode() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	if diff := cmp.Diff([]string{"out"}, list(t, folder)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestOutputAborted(t *testing.T) {
	folder := t.TempDir()
	for _, o := range []*archive.Output{
		must[*archive.Output](t)(archive.NewOutput(filepath.Join(folder, "file"), false)),
		must[*archive.Output](t)(archive.NewFolder(filepath.Join(folder, "folder"))),
	} {
		io.WriteString(must[io.Writer](t)(o.Open("part")), "text")
		o.Abort()
	}
	if left := list(t, folder); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A file that is there is replaced only if that is asked for, a folder never.
func TestOutputReplaces(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.NewOutput(path, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if _, err := archive.NewOutput(folder, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("of a folder: error %v", err)
	}
	if _, err := archive.NewFolder(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("of a file where a folder shall be: error %v", err)
	}
	o := must[*archive.Output](t)(archive.NewOutput(path, true))
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := must[[]byte](t)(os.ReadFile(path)); len(got) != 0 {
		t.Errorf("content %q", got)
	}
}

func TestFolder(t *testing.T) {
	folder := t.TempDir()
	o := must[*archive.Output](t)(archive.NewFolder(filepath.Join(folder, "out")))
	for _, name := range []string{"a", "b"} {
		io.WriteString(must[io.Writer](t)(o.Open(name)), name)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"out", "out/a", "out/b"}, list(t, folder)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	o = must[*archive.Output](t)(archive.NewFolder(filepath.Join(folder, "out"))) // into what is there
	defer o.Abort()
	if _, err := o.Open("b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("of a file that is there: error %v", err)
	}
	io.WriteString(must[io.Writer](t)(o.Open("c")), "c")
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"out", "out/a", "out/b", "out/c"}, list(t, folder)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
	"gapless/schema"
)

// beside lists a folder, with what would tell that a file was written to.
func beside(t *testing.T, path string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(e.Name(), " ", info.Size(), " ", info.ModTime()))
	}
	return all
}

// inRollbackMode changes a closed file to rollback-journal mode.
func inRollbackMode(t *testing.T, path string) {
	t.Helper()
	runSQL(t, path, `PRAGMA journal_mode = DELETE`)
}

// Reading a file that nobody has open leaves the file and its folder as they
// were, however many read it at once.
func TestReadingLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(*testing.T, string)
	}{
		{"WAL", func(*testing.T, string) {}},
		{"rollback journal", inRollbackMode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			ours(t, path)
			tt.after(t, path)
			before := beside(t, path)
			checkIndex(t, path)
			if diff := cmp.Diff(before, beside(t, path)); diff != "" {
				t.Errorf("after one reader (-before +after):\n%s", diff)
			}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { checkIndex(t, path) })
			}
			wg.Wait()
			if diff := cmp.Diff(before, beside(t, path)); diff != "" {
				t.Errorf("after twenty readers (-before +after):\n%s", diff)
			}
		})
	}
}

// Twenty processes, which know nothing of each other, come and go at random.
func TestReadingProcessesLeaveNothing(t *testing.T) {
	path := newPath(t)
	ours(t, path)
	before := beside(t, path)
	var readers []*process
	for range 20 {
		readers = append(readers, startChild(t, "tell", path))
	}
	for _, p := range readers {
		p.wants(t, "next 13")
	}
	for _, p := range readers {
		p.end(t)
	}
	if diff := cmp.Diff(before, beside(t, path)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// A writer that comes while a file is read is not disturbed, and is seen.
func TestWriterComesWhileReading(t *testing.T) {
	path := newPath(t)
	ours(t, path)
	r, err := store.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, s.Commit(t.Context(), stored(t, 13, 20)), nil)
	if next, err := r.Next(t.Context()); next != 21 || err != nil {
		t.Errorf("next is %d, %v", next, err)
	}
	wants(t, r.Close(), nil)
	wants(t, s.Commit(t.Context(), stored(t, 21, 25)), nil)
	wants(t, s.Close(), nil)
	if names := beside(t, path); len(names) != 2 {
		t.Errorf("there are %v, want the file and its lock", names)
	}
	checkIndex(t, path)
}

// nobody is a user without rights.
const nobody = 65534

// tellNext opens the file, without rights if it is told so, and tells where it ends,
// again for each line that it is sent.
func tellNext(ctx context.Context, path string) error {
	if os.Getenv(childRights) == "none" {
		if err := dropRights(); err != nil {
			return err
		}
	}
	r, err := store.OpenReader(ctx, path)
	if err != nil {
		fmt.Println(err)
		return nil
	}
	next, err := r.Next(ctx)
	fmt.Println("next", next, err)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if next, err := r.Next(ctx); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("next", next)
		}
	}
	faults := 0
	_, err = store.Checker{Fault: func(store.Fault) { faults++ }}.Check(ctx, r)
	fmt.Println("checked", faults, err)
	return r.Close()
}

// wants reads what a child says.
func (p *process) wants(t *testing.T, want string) {
	t.Helper()
	if !p.lines.Scan() || !strings.Contains(p.lines.Text(), want) {
		t.Errorf("it says %q, want %q", p.lines.Text(), want)
	}
}

// end lets a child check the file and end.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	p.wants(t, "checked 0 <nil>")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// mayPass lets others into the folders of the test.
func mayPass(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), mode); err != nil {
		t.Fatal(err)
	}
}

// Somebody without rights reads a file, wherever it is and whatever is beside
// it, and changes nothing.
func TestReadWithoutRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give up its rights")
	}
	killed := func(t *testing.T, path string) {
		p := startChild(t, "leave", path)
		p.wants(t, "written")
		p.kill()
	}
	for _, tt := range []struct {
		name   string
		make   func(t *testing.T, path string)
		folder os.FileMode
	}{
		{"a folder that can't be written", ours, 0o555},
		{"a file that can't be written", ours, 0o777},
		{"rollback journal", func(t *testing.T, path string) { ours(t, path); inRollbackMode(t, path) }, 0o555},
		{"left by a killed process", killed, 0o555},
		{"left in the middle of a transaction", func(t *testing.T, path string) {
			ours(t, path)
			inRollbackMode(t, path)
			p := startChild(t, "spill", path)
			p.wants(t, "spilt")
			p.kill()
			if info, err := os.Stat(path + "-journal"); err != nil || info.Size() == 0 {
				t.Errorf("there is nothing to roll back: %v", err)
			}
		}, 0o555},
		{"left by a killed process, without a -shm", func(t *testing.T, path string) {
			killed(t, path)
			if err := os.Remove(path + "-shm"); err != nil {
				t.Fatal(err)
			}
		}, 0o555},
		{"left by a killed process, without a -shm, where files can be made", func(t *testing.T, path string) {
			killed(t, path)
			if err := os.Remove(path + "-shm"); err != nil {
				t.Fatal(err)
			}
		}, 0o777},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			tt.make(t, path)
			mayPass(t, path, tt.folder)
			copies := ownTemporary(t)
			before := beside(t, path)
			var readers []*process
			for range 3 {
				readers = append(readers, startChild(t, "tell", path, childRights+"=none"))
			}
			for _, p := range readers {
				p.wants(t, "next 13")
			}
			for _, p := range readers {
				p.end(t)
			}
			if diff := cmp.Diff(before, beside(t, path)); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
			if left := copies(); len(left) > 0 {
				t.Errorf("there are %v", left)
			}
		})
	}
}

// ownTemporary gives the test a folder of its own for temporary files, and a
// function that lists it.
func ownTemporary(t *testing.T) func() []string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", folder)
	return func() []string {
		found, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
}

// Somebody without rights reads along when a writer comes, writes and goes.
func TestWriterComesWhileReadWithoutRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give up its rights")
	}
	path := newPath(t)
	ours(t, path)
	mayPass(t, path, 0o555)
	p := startChild(t, "tell", path, childRights+"=none")
	p.wants(t, "next 13")
	for i := range uint64(3) {
		s, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for j := range uint64(3) {
			n := 13 + 3*i + j
			wants(t, s.Commit(t.Context(), stored(t, n, n)), nil)
			fmt.Fprintln(p.stdin)
			p.wants(t, fmt.Sprint("next ", n+1))
		}
		wants(t, s.Close(), nil)
		fmt.Fprintln(p.stdin)
		p.wants(t, fmt.Sprint("next ", 16+3*i))
	}
	p.end(t)
	if s, err := store.Open(t.Context(), path); err != nil {
		t.Error(err)
	} else {
		wants(t, s.Close(), nil)
	}
}

// leave leaves blocks in the -wal alone, until it is killed.
func leave(ctx context.Context, path string) error {
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	if err := s.Identify(ctx, identity(0)); err != nil {
		return err
	}
	entries, err := entriesOf(0, strings.Repeat("s", 13))
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, entries); err != nil {
		return err
	}
	fmt.Println("written")
	<-ctx.Done()
	return s.Close()
}

// spill deletes all blocks, in a transaction that is written to the file but not
// committed.
func spill(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	for _, query := range []string{
		`PRAGMA cache_size = 1`, `BEGIN`, `DELETE FROM transactions`, `DELETE FROM blocks`,
		`CREATE TABLE filler AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 200) SELECT randomblob(8000) FROM c`,
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	fmt.Println("spilt")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A file of an older schema is read from a copy that is brought up to date, and
// stays as it is; one of a newer schema is refused.
func TestReadOtherSchemas(t *testing.T) {
	path := newPath(t)
	ours(t, path)
	before, copies := beside(t, path), ownTemporary(t)
	more := grown()
	r, err := store.OpenReaderKnowing(t.Context(), path, more)
	if err != nil {
		t.Fatal(err)
	}
	if r.Path() != path {
		t.Errorf("the path is %s", r.Path())
	}
	var count int
	err = r.Raw(func(db *sql.DB) error { return db.QueryRow(`SELECT COUNT(*) FROM more`).Scan(&count) })
	if err != nil || count != 13 {
		t.Errorf("%d rows, %v", count, err)
	}
	faults := 0
	if done, err := (store.Checker{Fault: func(store.Fault) { faults++ }}).Check(t.Context(), r); err != nil || faults > 0 || done.Blocks != 13 {
		t.Errorf("%d faults in %d blocks, %v", faults, done.Blocks, err)
	}
	wants(t, r.Close(), nil)
	if diff := cmp.Diff(before, beside(t, path)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if left := copies(); len(left) > 0 {
		t.Errorf("there are %v", left)
	}
	_, err = store.OpenReaderKnowing(t.Context(), path, schema.All()[:0])
	wants(t, err, store.ErrNewer)
}

// A copy that can't be made says what it needs, and leaves nothing.
func TestCopyFails(t *testing.T) {
	path := newPath(t)
	ours(t, path)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	more := grown()
	_, err := store.OpenReaderKnowing(t.Context(), path, more)
	wants(t, err, os.ErrNotExist)
	copies := ownTemporary(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err = store.OpenReaderKnowing(ctx, path, more); err == nil {
		t.Error("no error")
	}
	if left := copies(); len(left) > 0 {
		t.Errorf("there are %v", left)
	}
}

// What Open will do to a file is known before.
func TestNeedsUpgrade(t *testing.T) {
	path := newPath(t)
	more := grown()
	for _, make := range []func(*testing.T, string){func(*testing.T, string) {}, func(t *testing.T, path string) { write(t, path, nil) }} {
		make(t, path)
		if u, err := store.NeedsUpgradeKnowing(t.Context(), path, more); u != nil || err != nil {
			t.Errorf("a new file: %+v, %v", u, err)
		}
	}
	ours(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.NeedsUpgradeKnowing(t.Context(), path, more)
	want := &store.Upgrade{From: more.Last() - 1, To: more.Last(), Bytes: info.Size()}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if u, err := store.NeedsUpgrade(t.Context(), path); u != nil || err != nil {
		t.Errorf("a file that is up to date: %+v, %v", u, err)
	}
	_, err = store.NeedsUpgradeKnowing(t.Context(), path, more[:0])
	wants(t, err, store.ErrNewer)
}

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever a running gapless does, it never opens and closes its file by itself:
// the kernel would drop the locks that SQLite has on it
// (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
func TestLocksStay(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := newDB(t)
	p, page := follow(t, db, url)
	reaches(t, page, 61, 0)
	want := locksOn(t, db)
	if len(want) < 2 {
		t.Fatalf("locks: %v", want)
	}
	same := func(what string) {
		t.Helper()
		eventually(t, "the locks are as before "+what, func() bool { return slices.Equal(want, locksOn(t, db)) })
	}
	for _, path := range []string{"/", "/readyz", "/metrics", "/api/v1/status", "/api/v1/blocks/3", "/api/v1/coverage"} {
		get(t, page+path)
		same(path)
	}
	folder := t.TempDir()
	for _, args := range [][]string{
		{"status"}, {"status", "--json"}, {"gaps"}, {"verify"}, {"verify", "--repair"}, {"verify", "--complete"}, {"digest"}, {"logs"},
		{"retry", "all"}, {"prune", "--below", "3"}, {"backup", filepath.Join(folder, "copy.db")},
		{"export", "--format", "jsonl", "--out", filepath.Join(folder, "chain.jsonl")},
		{"run", "--rpc", url},
	} {
		args = append(args, "--db", db)
		gapless(t, args...) // in this very process
		same(fmt.Sprint(args))
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	if diff := cmp.Diff([]string(nil), locksOn(t, db)); diff != "" {
		t.Error(diff)
	}
}

// locksOn gives the locks that this process has on a file, its -wal and its -shm.
func locksOn(t *testing.T, db string) (locks []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	for _, ending := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(db + ending)
		if err != nil {
			continue
		}
		inode := fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
		for line := range strings.Lines(string(table)) {
			// 1: POSIX  ADVISORY  READ 1234 08:01:56789 128 128
			f := strings.Fields(line)
			if len(f) == 8 && f[1] == "POSIX" && f[4] == fmt.Sprint(os.Getpid()) && strings.HasSuffix(f[5], inode) {
				locks = append(locks, fmt.Sprint("chain.db", ending, " ", f[3], " ", f[6], "-", f[7]))
			}
		}
	}
	slices.Sort(locks)
	return locks
}

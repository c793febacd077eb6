//go:build unix

package process_test

import (
	"fmt"
	"strings"
	"testing"
)

// A second process says who has the file and what to do; none is in the way
// once the first was killed.
func TestLock(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	p := follow(t, newDB(t), url)
	p.reaches(51)
	second := []string{"run", "--db", p.db, "--rpc", url, "--listen", "off", "--until", "50"}
	code, said := exitOf(t, nil, second...)
	for _, part := range []string{"another gapless has this file open for writing", fmt.Sprintf("process %d", p.cmd.Process.Pid), p.url, "gapless status --db " + p.db} {
		if code != 1 || !strings.Contains(said, part) {
			t.Errorf("no %q: exit %d: %s", part, code, said)
		}
	}
	p.reaches(51) // it goes on

	p.kill()
	if code, said := exitOf(t, nil, "status", "--db", p.db); code != 0 || !strings.Contains(said, "process") {
		t.Errorf("status: exit %d:\n%s", code, said)
	}
	if code, said := exitOf(t, nil, "retry", "all", "--db", p.db); code != 0 { // takes the lock itself
		t.Errorf("retry: exit %d:\n%s", code, said)
	}
	if code, said := exitOf(t, nil, second...); code != 0 {
		t.Errorf("after kill -9: exit %d:\n%s", code, said)
	}
	isWhole(t, p.db, 51)
}

// One that serves nothing is known by its process id.
func TestLockWithoutPage(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	p := follow(t, newDB(t), url, "--listen", "off")
	for _, command := range []string{"run", "retry all", "skip 7 --reason lost"} {
		args := append(strings.Fields(command), "--db", p.db)
		if command == "run" {
			args = append(args, "--rpc", url, "--listen", "off")
		}
		code, said := exitOf(t, nil, args...)
		if code != 1 || !strings.Contains(said, fmt.Sprintf("process %d", p.cmd.Process.Pid)) {
			t.Errorf("%s: exit %d: %s", command, code, said)
		}
	}
}

package command

import (
	"net/http"
	"strings"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
)

// Blocks are deleted from a file that nobody has open, and through the process
// that has it.
func TestPrune(t *testing.T) {
	t.Parallel()
	db := writeFile(t, 400, failedAt(30), failedAt(140), failedAt(399))
	got := mustGapless(t, "prune", "--below", "100", "--db", db)
	if want := "deleted 100 blocks; the file begins with block 100\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := mustGapless(t, "prune", "--below", "100", "--db", db); got != "nothing to delete: the file begins with block 100\n" {
		t.Errorf("once more: %q", got)
	}
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "checked block 100 to 400") {
		t.Errorf("verify:\n%s", got)
	}
	code, _, stderr := gapless(t, "prune", "--below", "-100", "--db", db)
	if code != exitUsage || !strings.Contains(stderr, "the highest that the file may begin with now is 145") {
		t.Errorf("exit %d: %s", code, stderr)
	}

	n, url := serve(t, 400)
	fail(n, allFail(140, 399))
	_, page := follow(t, db, url, "--retry-base", "1h")
	reaches(t, page, 401, 2)
	code, _, stderr = gapless(t, "prune", "--below", "-100", "--db", db)
	if code != exitUsage || !strings.Contains(stderr, "the highest that the file may begin with now is 145") {
		t.Errorf("through a process: exit %d: %s", code, stderr)
	}
	if got := mustGapless(t, "prune", "--below", "-260", "--db", db); got != "deleted 40 blocks; the file begins with block 140\n" {
		t.Errorf("through a process: %q", got)
	}
	reaches(t, page, 401, 2)
	mustGapless(t, "prune", "--below", "141", "--db", db)
	reaches(t, page, 401, 1)
	if code, body := get(t, page+"/api/v1/journal?kind=pruned"); code != http.StatusOK || !strings.Contains(body, `"last_block":140`) {
		t.Errorf("journal: %d %s", code, body)
	}
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "checked block 141 to 400") {
		t.Errorf("verify beside a process:\n%s", got)
	}
}

func failedAt(number uint64) *chain.Failure {
	return failure(number, chain.BlockError, "not now", 1)
}

// A file is kept small while the chain grows, and begins near the head.
func TestKeep(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 500)
	db := newDB(t)
	p, page := follow(t, db, url, "--keep", "300")
	reaches(t, page, 501, 0)
	if st := status(t, page); st.Chain.Start != 201 {
		t.Errorf("a new file begins with block %d", st.Chain.Start)
	}
	for head := uint64(503); head <= 620; head += 3 {
		n.Do(func(n *nodetest.Node) { n.Head = head })
		reaches(t, page, head+1, 0)
	}
	eventually(t, "the start block follows", func() bool { return status(t, page).Chain.Start >= 620-304 })
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "to 620") {
		t.Errorf("verify:\n%s", got)
	}
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest", "--from", "0", "--keep", "256")
	if got := mustGapless(t, "status", "--db", db); !strings.Contains(got, "from block 365") {
		t.Errorf("status:\n%s", got)
	}
}

package command

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// A chain whose header hashes this version can't compute is stored once three
// blocks have shown that; status and verify say it, and what is made of the file
// shows it again by its own blocks.
func TestChainOfAnotherKind(t *testing.T) {
	t.Parallel()
	c, err := recorded.ReadFile("../../testdata/nodes/quorum/qbft.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	const property = "header hash can't be computed on this chain from block 1 on: 14 blocks"
	server := httptest.NewServer(nodetest.New(c))
	t.Cleanup(server.Close)
	db := newDB(t)
	code, _, stderr := gapless(t, "run", "--rpc", server.URL, "--db", db, "--until", "14", "--listen", "off")
	if code != exitDone || strings.Count(stderr, "can't be computed on this chain") != 1 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if got := mustGapless(t, "status", "--db", db); !strings.Contains(got, property) {
		t.Errorf("status:\n%s", got)
	}
	lines, canonical, again := filepath.Join(t.TempDir(), "lines.jsonl"), filepath.Join(t.TempDir(), "canonical.db"), newDB(t)
	mustGapless(t, "export", "--db", db, "--format", "jsonl", "--out", lines)
	mustGapless(t, "export", "--db", db, "--format", "sqlite", "--out", canonical)
	mustGapless(t, "import", lines, "--db", again)
	for _, db := range []string{db, canonical, again} {
		code, stdout, stderr := gapless(t, "verify", "--db", db)
		if code != exitUnproved || !strings.Contains(stdout, property) || !strings.Contains(stdout, "0 faults") {
			t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
		}
	}
	if code, stdout, _ := gapless(t, "verify", "--db", db, "--from", "5", "--to", "5"); code != exitUnproved {
		t.Errorf("verify of one block: exit %d\n%s", code, stdout)
	}
}

// What a file says of itself hides no lie: neither a flipped bit in a verdict nor
// a row that excuses it.
func TestVerifyBelievesNoVerdict(t *testing.T) {
	t.Parallel()
	const lie = `UPDATE transactions SET value = '7' WHERE id = 51 << 24; `
	for _, tt := range []struct{ name, edit string }{
		{"failed", `UPDATE blocks SET checks_failed = 66, checks_passed = checks_passed & ~194 WHERE number = 51`},
		{"failed, of which one passes", `UPDATE blocks SET checks_failed = 1, checks_passed = checks_passed & ~1 WHERE number = 51`},
		{"not computable", `UPDATE blocks SET checks_not_computable = 66, checks_passed = checks_passed & ~194 WHERE number = 51`},
		{"not made", `UPDATE blocks SET checks_passed = checks_passed & ~194 WHERE number = 51`},
		{"exempted", `UPDATE blocks SET checks_not_computable = 194, checks_passed = checks_passed & ~194 WHERE number = 51;
			INSERT INTO exemptions (check_bit, about, from_block, decided_at) VALUES (2, '', 1, 0), (64, 'type 0x0', 1, 0), (64, 'type 0x2', 1, 0), (128, 'type 0x0', 1, 0), (128, 'type 0x2', 1, 0)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, 60)
			tamper(t, path, lie+tt.edit)
			code, stdout, _ := gapless(t, "verify", "--db", path)
			if code != exitFault || !strings.Contains(stdout, "block 51: not verified") {
				t.Errorf("exit %d\n%s", code, stdout)
			}
		})
	}
}

// An archive's word for its client lowers no level, and --verify warn says what
// it does.
func TestImportBelievesNoClient(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(archiveOf(t, recording(), 40, 45))
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"Geth/v1", "anvil/v1.7.1", "HardhatNetwork/2", "Unheard/v1"} {
		lines := bytes.SplitAfter(bytes.Replace(text, []byte("Geth/v1"), []byte(client), 1), []byte("\n"))
		lines[2] = bytes.Replace(lines[2], []byte(`"gasLimit":"0x`), []byte(`"unknown":1,"gasLimit":"0x1`), 1)
		path, db := writeText(t, "lie.jsonl", bytes.Join(lines, nil)), newDB(t)
		code, _, stderr := gapless(t, "import", path, "--db", db)
		if code != exitFailed || !strings.Contains(stderr, "block 41 is refused: header hash") || !strings.Contains(stderr, "--verify warn") {
			t.Errorf("%s: exit %d\n%s", client, code, stderr)
		}
		code, _, stderr = gapless(t, "import", path, "--db", db, "--verify", "warn")
		if code != exitDone || !strings.Contains(stderr, "blocks that are wrong are stored too") {
			t.Errorf("%s: exit %d under warn\n%s", client, code, stderr)
		}
		code, stdout, _ := gapless(t, "verify", "--db", db)
		if code != exitUnproved || !strings.Contains(stdout, "header hash failed: 1 block") {
			t.Errorf("%s: verify: exit %d\n%s", client, code, stdout)
		}
	}
}

// A client whose rules are known is not excused, and it is said at once, and once,
// what may be the reason.
func TestKnownClientIsRefused(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 40)
	n.Do(func(n *nodetest.Node) {
		for number := uint64(1); number <= 40; number++ {
			n.Faults[number] = &nodetest.Fault{Kind: nodetest.WrongRoot}
		}
	})
	db := newDB(t)
	p, page := follow(t, db, url, "--retry-base", "50ms")
	reaches(t, page, 41, 40)
	eventually(t, "it is said", func() bool { return strings.Contains(p.stderr.String(), "the rules of this client are known") })
	p.stop()
	if got := strings.Count(p.stderr.String(), "--verify warn would store"); got != 1 {
		t.Errorf("it is said %d times:\n%s", got, &p.stderr)
	}
}

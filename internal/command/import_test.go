package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// archiveOf writes blocks as JSON lines.
func archiveOf(t *testing.T, c *recorded.Chain, from, to uint64) string {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"format":"gapless-jsonl/1","chainId":"%#x","genesisHash":"%s","client":"Geth/v1"}`+"\n", c.ChainID, c.Blocks[0].Hash)
	for n := from; n <= to; n++ {
		b := c.Block(n)
		line, err := json.Marshal(map[string]any{"block": b.Block, "receipts": b.Receipts, "uncles": b.Uncles})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return writeText(t, fmt.Sprintf("%d-%d.jsonl", from, to), out.Bytes())
}

func writeText(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustVerify(t *testing.T, db string) string {
	t.Helper()
	return mustGapless(t, "verify", "--db", db)
}

const wholeRecording = "../../testdata/chain/chain.jsonl.gz"

// An import makes a file, a further one goes on where it ends, and one that has
// nothing new changes nothing.
func TestImport(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--to", "200"}, "appended 201 blocks from 0 to 200, filled 0 blocks"},
		{[]string{"--to", "200"}, "appended 0 blocks, filled 0 blocks"},
		{[]string{"--from", "100"}, "appended 1,400 blocks from 201 to 1,600, filled 0 blocks"},
	} {
		code, _, said := gapless(t, append([]string{"import", wholeRecording, "--db", db}, tt.args...)...)
		if code != 0 || !strings.Contains(said, tt.says) {
			t.Errorf("%v: exit %d, %q, want %q", tt.args, code, said, tt.says)
		}
	}
	if got := mustVerify(t, db); !strings.Contains(got, "1,601 stored, none missing") {
		t.Error(got)
	}
}

// Blocks that are missing in the file are filled, those that the archive lacks
// stay so.
func TestImportFills(t *testing.T) {
	t.Parallel()
	var failures []*chain.Failure
	for _, n := range []uint64{50, 51, 52, 90, 120, 121} {
		f := chain.Failed(n, &chain.Error{Class: chain.BlockError, Err: errors.New("lost")}, 3, time.Now())
		f.NextAt = f.At
		failures = append(failures, f)
	}
	db := writeFile(t, 150, failures...)
	code, _, said := gapless(t, "import", archiveOf(t, recording(), 0, 100), archiveOf(t, recording(), 121, 160), "--db", db)
	if code != exitIncomplete || !strings.Contains(said, "appended 10 blocks from 151 to 160, filled 5 blocks") ||
		!strings.Contains(said, "1 block is missing from block 0 to 160") {
		t.Errorf("exit %d, %s", code, said)
	}
	if got := mustVerify(t, db); !strings.Contains(got, "160 stored, 1 missing") {
		t.Error(got)
	}
	code, _, said = gapless(t, "import", archiveOf(t, recording(), 120, 120), "--db", db)
	if code != 0 || !strings.Contains(said, "filled 1 block") {
		t.Errorf("exit %d, %s", code, said)
	}
	if got := mustVerify(t, db); !strings.Contains(got, "161 stored, none missing") {
		t.Error(got)
	}
}

// What is wrong or does not fit is refused, and the file keeps its promises.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(archiveOf(t, recording(), 0, 120))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(text, []byte(`"stateRoot":"0x`)) + 20
	text[at] ^= 1
	ours := devchain.Build(devchain.Spec{Blocks: 60, Transactions: 1})
	fork := devchain.Build(devchain.Spec{Blocks: 60, Transactions: 1, Fork: 40, Salt: "x"})
	for _, tt := range []struct {
		name          string
		file, archive string
		args          []string
		says          string
		stored        string
	}{
		{"a wrong block", archiveOf(t, recording(), 0, 20), writeText(t, "wrong.jsonl", text), nil, "block 120 is refused: header hash", "stored, none missing"},
		{"what is too far", archiveOf(t, recording(), 0, 20), archiveOf(t, recording(), 30, 40), nil, "begin with block 30, but", "21 stored"},
		{"another chain", archiveOf(t, recording(), 0, 20), archiveOf(t, ours, 0, 40), nil, "is of chain id", "21 stored"},
		{"another chain id", archiveOf(t, recording(), 0, 20), archiveOf(t, recording(), 0, 40), []string{"--chain-id", "7"}, "it is of chain id", "21 stored"},
		{"a fork", archiveOf(t, ours, 0, 50), archiveOf(t, fork, 0, 60), nil, "block 51 does not fit stored block 50", "51 stored"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			mustGapless(t, "import", tt.file, "--db", db)
			code, _, said := gapless(t, append([]string{"import", tt.archive, "--db", db}, tt.args...)...)
			if code != exitFailed || !strings.Contains(said, tt.says) {
				t.Errorf("exit %d, %s, want %s", code, said, tt.says)
			}
			if got := mustVerify(t, db); !strings.Contains(got, tt.stored) {
				t.Error(got)
			}
		})
	}
}

// An import that is stopped says so, and the same command goes on.
func TestImportStops(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	p := begin(t, "import", wholeRecording, "--db", db)
	eventually(t, "something is stored", func() bool {
		r, err := store.OpenInPlace(t.Context(), db)
		if err != nil {
			return false
		}
		defer r.Close()
		next, err := r.Next(t.Context())
		return err == nil && next > 0
	})
	if code := p.stop(); code != exitIncomplete && code != 0 { // it may have been quicker
		t.Errorf("exit %d, %s", code, p.stderr.String())
	}
	mustGapless(t, "import", wholeRecording, "--db", db)
	if got := mustVerify(t, db); !strings.Contains(got, "1,601 stored, none missing") {
		t.Error(got)
	}
}

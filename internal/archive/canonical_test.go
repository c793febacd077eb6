package archive_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// Two files of one chain, one indexed straight, one with 30 % of the blocks
// failing at first: the same digest, and the same bytes.
func TestSameBytesHoweverTheyCame(t *testing.T) {
	c := recording()
	straight := indexed(t, c, nil)
	random := rand.New(rand.NewPCG(1, 30))
	faults := make(map[uint64]*nodetest.Fault)
	for _, number := range random.Perm(len(c.Blocks))[:len(c.Blocks)*3/10] {
		kinds := []nodetest.Kind{nodetest.RPCError, nodetest.NullBlock, nodetest.WrongRoot, nodetest.NullReceipts, nodetest.RaceReceipts}
		faults[uint64(number)] = &nodetest.Fault{Kind: kinds[random.IntN(len(kinds))], Times: 4 + random.IntN(4)}
	}
	gaps := indexed(t, c, faults)
	if count := filled(t, gaps); count < len(c.Blocks)/5 {
		t.Fatalf("only %d blocks were missing at first", count)
	}
	if a, b := digest(t, straight), digest(t, gaps); a != b {
		t.Errorf("digests\n%s\n%s", a, b)
	}
	path, want := canonical(t, straight)
	if _, got := canonical(t, gaps); !bytes.Equal(got, want) {
		t.Error("the canonical files differ")
	}
	checkIndex(t, path)
	a, wantPart := canonical(t, straight, 500, 900)
	if _, gotPart := canonical(t, path, 500, 900); !bytes.Equal(gotPart, wantPart) {
		t.Error("a part of the canonical file is another than the same part of the first")
	}
	checkIndex(t, a)
}

// filled counts the blocks that were missing at first.
func filled(t *testing.T, path string) (count int) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	if err := db.QueryRow(`SELECT COUNT(*) FROM journal WHERE kind = 'filled'`).Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

// indexed indexes a chain from a node that fails, by the very code that run uses,
// until nothing is missing.
func indexed(t *testing.T, c *recorded.Chain, faults map[uint64]*nodetest.Fault) (path string) {
	path = filepath.Join(t.TempDir(), "index.db")
	synctest.Test(t, func(t *testing.T) {
		fake := nodetest.New(c)
		fake.Faults = faults
		n, err := node.New(node.Options{URLs: []string{"http://127.0.0.1:8545"}, Transport: fake})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		s, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		id, err := n.Identity(t.Context())
		if err == nil {
			err = s.Identify(t.Context(), store.Identity{ChainID: id.ChainID, Genesis: id.Genesis.Hash, Client: id.Client})
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer run(t, ctx, n, s)()
		defer cancel()
		for range 100 {
			time.Sleep(time.Minute)
			next, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			failed, err := s.FailedFrom(t.Context(), 0, 1)
			if err == nil && len(failed) == 0 && next == c.Last()+1 {
				return
			}
		}
		t.Error("not whole after 100 minutes")
	})
	return path
}

// run runs indexer and gap filling until ctx ends, which wait waits for.
func run(t *testing.T, ctx context.Context, n *node.Node, s *store.Store) (wait func()) {
	backoff := gapfill.Backoff{Base: 2 * time.Second}
	log := slog.New(slog.DiscardHandler)
	var worker *gapfill.Worker
	i := indexer.New(n, s, indexer.Options{
		Level: chain.Auto, Loopback: true, Delay: backoff.Delay,
		Failed:  func(f ...*chain.Failure) { worker.Schedule(f...) },
		Rewound: func(ancestor uint64) { worker.Rewound(ancestor) },
	}, log, nil)
	worker, err := gapfill.New(ctx, s, backoff, i.Index, n.Await, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- i.Run(ctx) }()
	go func() { ended <- worker.Run(ctx) }()
	return func() {
		<-ended
		<-ended
	}
}

// The canonical file of every recording keeps all promises, has the same
// digest, gives itself again, and has nothing in it that is not of the chain.
func TestCanonicalOfRecordings(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(recordings + "/*/*.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, recordingPath := range paths {
		c, err := recorded.ReadFile(recordingPath)
		if err != nil {
			t.Fatal(err)
		}
		last := min(c.Last(), 300)
		path := newFile(t, c, last)
		once, want := canonical(t, path)
		checkIndex(t, once)
		if a, b := digest(t, path), digest(t, once); a != b {
			t.Errorf("%s: digest %s of the canonical file, %s of the file", recordingPath, b, a)
		}
		if _, again := canonical(t, once); !bytes.Equal(want, again) {
			t.Errorf("%s: the canonical file of the canonical file is another", recordingPath)
		}
		sameNodeAnswers(t, path, once, last)
		checkConstants(t, once)
	}
}

// The canonical file keeps what the node said is finalized and safe, where it has
// the block: its bytes depend on that, its digest does not, and no other part of
// what can be done with it.
func TestCanonicalKeepsFinality(t *testing.T) {
	t.Parallel()
	c := recording()
	tag := func(number uint64) *store.Tag { return &store.Tag{Number: number, Hash: c.Block(number).Hash} }
	path := newFile(t, c, 100)
	plain, unknown := canonical(t, path)
	for _, tt := range []struct {
		name                     string
		finalized, safe          *store.Tag
		bounds                   []uint64
		keepsFinalized, keepSafe *store.Tag
	}{
		{"both", tag(60), tag(70), nil, tag(60), tag(70)},
		{"the last block", tag(60), tag(100), nil, tag(60), tag(100)},
		{"one above", tag(60), tag(70), []uint64{10, 69}, tag(60), nil},
		{"both above", tag(60), tag(70), []uint64{0, 50}, nil, nil},
		{"one alone", nil, tag(70), nil, nil, tag(70)},
	} {
		s, err := store.Open(t.Context(), path)
		if err == nil {
			err = errors.Join(s.SetFinality(t.Context(), tt.finalized, tt.safe), s.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		once, content := canonical(t, path, tt.bounds...)
		checkIndex(t, once)
		finalized, safe, err := openReader(t, once).Finality(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]*store.Tag{tt.keepsFinalized, tt.keepSafe}, []*store.Tag{finalized, safe}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if _, again := canonical(t, once); !bytes.Equal(again, content) {
			t.Errorf("%s: the canonical file of the canonical file is another", tt.name)
		}
		if tt.bounds != nil {
			continue
		}
		if bytes.Equal(content, unknown) {
			t.Errorf("%s: the bytes do not depend on it", tt.name)
		}
		if a, b := digest(t, plain), digest(t, once); a != b {
			t.Errorf("%s: digests\n%s\n%s", tt.name, a, b)
		}
	}
}

// sameNodeAnswers compares what replaying the two would give.
func sameNodeAnswers(t *testing.T, pathA, pathB string, last uint64) {
	t.Helper()
	a, b := openReader(t, pathA), openReader(t, pathB)
	for number := uint64(0); number <= last; number++ {
		want, err := a.Block(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Block(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.AppendBlock(nil, true), got.AppendBlock(nil, true)) || !bytes.Equal(want.AppendReceipts(nil), got.AppendReceipts(nil)) {
			t.Errorf("%s: block %d is answered differently", pathB, number)
		}
	}
}

func checkConstants(t *testing.T, path string) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	for query, want := range map[string]string{
		`SELECT created_at, finalized_number, finalized_hash, safe_number, safe_hash FROM chain`: "[0 <nil> <nil> <nil> <nil>]",
		`SELECT epoch = (SELECT substr(hash, 1, 8) FROM blocks ORDER BY number DESC) FROM chain`: "[1]",
		`SELECT COUNT(*) FROM journal`:           "[0]",
		`SELECT COUNT(*) FROM failed_blocks`:     "[0]",
		`SELECT DISTINCT indexed_at FROM blocks`: "[0]",
		`PRAGMA journal_mode`:                    "[delete]",
		`PRAGMA page_size`:                       "[8192]",
		`PRAGMA freelist_count`:                  "[0]",
		`SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND sql > ''`: fmt.Sprint([]any{indexes(t)}),
	} {
		if diff := cmp.Diff(want, fmt.Sprint(row(t, db, query))); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", path, query, diff)
		}
	}
}

// indexes counts the indexes of a file as it is made.
func indexes(t *testing.T) any {
	db := openSQL(t, newFile(t, recording(), 0))
	defer db.Close()
	return row(t, db, `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND sql > ''`)[0]
}

// row gives the one row of a query.
func row(t *testing.T, db *sql.DB, query string) []any {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if !rows.Next() {
		t.Fatalf("%s: no row: %v", query, rows.Err())
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	return values
}

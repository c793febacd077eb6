package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// listed is what lists of the recorded chain must give, in ascending order: each
// row in words.
type listed struct {
	blocks, transactions, logs, transfers []string
	ofAddress, transfersOf                map[common.Address][]string
	logsOf                                map[common.Address][]string
	transfersOfToken                      map[common.Address][]string
}

// listedOf makes the rows of some blocks.
func listedOf(blocks []*chain.Block) listed {
	all := listed{
		ofAddress: map[common.Address][]string{}, transfersOf: map[common.Address][]string{},
		logsOf: map[common.Address][]string{}, transfersOfToken: map[common.Address][]string{},
	}
	for _, b := range blocks {
		all.blocks = append(all.blocks, fmt.Sprintf("%d %s %d", b.Number, b.Hash, len(b.Transactions)))
		logIndex := 0
		for i := range b.Transactions {
			tx := &b.Transactions[i]
			row := fmt.Sprintf("%d-%d %s %d", b.Number, i, tx.Hash, len(tx.Input))
			all.transactions = append(all.transactions, row)
			addTo(all.ofAddress, row, &tx.From, tx.To, tx.Receipt.ContractAddress)
			for j := range tx.Receipt.Logs {
				log := &tx.Receipt.Logs[j]
				row := fmt.Sprintf("%d-%d %s %v %x", b.Number, logIndex, tx.Hash, log.Topics, log.Data)
				all.logs = append(all.logs, row)
				addTo(all.logsOf, row, &log.Address)
				for _, t := range log.Transfers() {
					row := fmt.Sprintf("%d-%d-%d %s %s", b.Number, logIndex, t.Batch, tx.Hash, describe(&t))
					all.transfers = append(all.transfers, row)
					addTo(all.transfersOf, row, &t.From, &t.To)
					addTo(all.transfersOfToken, row, &t.Token)
				}
				logIndex++
			}
		}
	}
	return all
}

// addTo adds a row once to each of some addresses.
func addTo(lists map[common.Address][]string, row string, addresses ...*common.Address) {
	for _, a := range addresses {
		if a == nil {
			continue
		}
		if l := lists[*a]; len(l) == 0 || l[len(l)-1] != row {
			lists[*a] = append(l, row)
		}
	}
}

func describe(t *chain.Transfer) string {
	return fmt.Sprintf("%d %s %s %s %v %s", t.Standard, t.Token, t.From, t.To, t.TokenID, &t.Amount)
}

// pages walks a list from page to page, up and down, and compares all of it.
func pages[T any](t *testing.T, name string, want []string, limit int,
	list func(context.Context, store.Range) ([]T, error), show func(*T) (string, store.Position)) {
	t.Helper()
	for _, ascending := range []bool{true, false} {
		r := store.Everything(limit)
		r.Ascending = ascending
		var got []string
		for {
			page, err := list(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page {
				row, at := show(&page[i])
				got = append(got, row)
				r.After = &at
			}
			if len(page) < limit {
				break
			}
		}
		if !ascending {
			slices.Reverse(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, ascending %t (-want +got)\n%s", name, ascending, diff)
		}
	}
}

func showBlock(s *store.Summary) (string, store.Position) {
	return fmt.Sprintf("%d %s %d", s.Number, s.Hash, s.Transactions), store.Position{Block: s.Number}
}

func showTransaction(s *store.TransactionSummary) (string, store.Position) {
	return fmt.Sprintf("%d-%d %s %d", s.Position.Block, s.Position.Index, s.Hash, s.Input), s.Position
}

func showLog(s *store.LogSummary) (string, store.Position) {
	return fmt.Sprintf("%d-%d %s %v %x", s.Position.Block, s.Position.Index, s.Transaction, s.Topics, s.Data), s.Position
}

func showTransfer(s *store.TransferSummary) (string, store.Position) {
	return fmt.Sprintf("%d-%d-%d %s %s", s.Position.Block, s.Position.Index, s.Position.Batch, s.Transaction, describe(&s.Transfer)), s.Position
}

// Lists give all there is, each row once, whatever the size of the pages.
func TestLists(t *testing.T) {
	var blocks []*chain.Block
	var commits [][]store.Entry
	for first := uint64(0); first <= recording().Last(); first += 400 {
		entries := stored(t, first, min(first+399, recording().Last()))
		for _, e := range entries {
			blocks = append(blocks, e.Block)
		}
		commits = append(commits, entries)
	}
	s, want := newStore(t, 0, commits...), listedOf(blocks)

	pages(t, "blocks", want.blocks, 97, s.Summaries, showBlock)
	pages(t, "transactions", want.transactions, 97, s.TransactionSummaries, showTransaction)
	pages(t, "logs", want.logs, 97, func(ctx context.Context, r store.Range) ([]store.LogSummary, error) {
		return s.LogSummaries(ctx, nil, nil, r)
	}, showLog)
	for _, limit := range []int{1, 2, 97} { // in the middle of batches, too
		pages(t, "transfers", want.transfers, limit, func(ctx context.Context, r store.Range) ([]store.TransferSummary, error) {
			return s.TransferSummaries(ctx, nil, nil, r)
		}, showTransfer)
	}
	for a, rows := range some(want.ofAddress) {
		pages(t, "transactions of "+a.Hex(), rows, 1+len(rows)/3, func(ctx context.Context, r store.Range) ([]store.TransactionSummary, error) {
			return s.TransactionsOf(ctx, a, r)
		}, showTransaction)
	}
	for a, rows := range some(want.logsOf) {
		pages(t, "logs of "+a.Hex(), rows, 1+len(rows)/3, func(ctx context.Context, r store.Range) ([]store.LogSummary, error) {
			return s.LogSummaries(ctx, &a, nil, r)
		}, showLog)
	}
	for a, rows := range some(want.transfersOf) {
		pages(t, "transfers of "+a.Hex(), rows, 1+len(rows)/3, func(ctx context.Context, r store.Range) ([]store.TransferSummary, error) {
			return s.TransferSummaries(ctx, nil, &a, r)
		}, showTransfer)
	}
	var tokens []common.Address
	for a, rows := range want.transfersOfToken {
		tokens = append(tokens, a)
		pages(t, "transfers of token "+a.Hex(), rows, 1+len(rows)/3, func(ctx context.Context, r store.Range) ([]store.TransferSummary, error) {
			return s.TransferSummaries(ctx, &a, nil, r)
		}, showTransfer)
	}
	slices.SortFunc(tokens, common.Address.Cmp)
	checkTokens(t, s, tokens)
}

// some keeps 40 of the lists, the longest ones among them.
func some(lists map[common.Address][]string) map[common.Address][]string {
	var keys []common.Address
	for a := range lists {
		keys = append(keys, a)
	}
	slices.SortFunc(keys, func(a, b common.Address) int { return len(lists[b]) - len(lists[a]) })
	kept := map[common.Address][]string{{}: lists[common.Address{}]}
	for i, a := range keys {
		if i < 20 || i >= len(keys)-20 {
			kept[a] = lists[a]
		}
	}
	return kept
}

func checkTokens(t *testing.T, s *store.Store, want []common.Address) {
	t.Helper()
	var got []common.Address
	var after *common.Address
	for {
		page, err := s.Tokens(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			got = append(got, page[i].Address)
			after = &page[i].Address
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 3 {
		t.Errorf("tokens (-want +got)\n%s", diff)
	}
	if _, err := s.Token(t.Context(), common.Address{1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no token: %v", err)
	}
}

// A range bounds the blocks, and a missing block has no rows.
func TestListRange(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 39), missing(40, 44), stored(t, 45, 60))
	for _, tt := range []struct {
		name     string
		from, to uint64
		want     []uint64
	}{
		{"around a gap", 38, 46, []uint64{46, 45, 39, 38}},
		{"one", 39, 39, []uint64{39}},
		{"missing", 40, 44, nil},
		{"past the head", 60, 1 << 63, []uint64{60}},
		{"nothing", 61, 1<<64 - 1, nil},
	} {
		found, err := s.Summaries(t.Context(), store.Range{From: tt.from, To: tt.to, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, f := range found {
			got = append(got, f.Number)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// Each number of a range is in one part, and counted as what it is.
func TestCoverage(t *testing.T) {
	s := newStore(t, 3, stored(t, 3, 39), missing(40, 44), stored(t, 45, 60))
	if err := s.Skip(t.Context(), 41, "lost"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, to uint64
		parts    int
		want     string
	}{
		{0, 60, 1, "0-60: 53 stored, 5 missing, 1 skipped"},
		{38, 46, 3, "38-40: 2 stored, 1 missing, 0 skipped\n41-43: 0 stored, 3 missing, 1 skipped\n44-46: 2 stored, 1 missing, 0 skipped"},
		{59, 62, 9, "59-59: 1 stored, 0 missing, 0 skipped\n60-60: 1 stored, 0 missing, 0 skipped\n" +
			"61-61: 0 stored, 0 missing, 0 skipped\n62-62: 0 stored, 0 missing, 0 skipped"},
		{0, 9, 4, "0-2: 0 stored, 0 missing, 0 skipped\n3-5: 3 stored, 0 missing, 0 skipped\n" +
			"6-8: 3 stored, 0 missing, 0 skipped\n9-9: 1 stored, 0 missing, 0 skipped"},
		{0, 1<<64 - 1, 1, fmt.Sprintf("0-%d: 53 stored, 5 missing, 1 skipped", int64(1<<63-1))},
	} {
		c, err := s.Coverage(t.Context(), tt.from, tt.to, tt.parts)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, p := range c.Parts {
			lines = append(lines, fmt.Sprintf("%d-%d: %d stored, %d missing, %d skipped", p.First, p.Last, p.Stored, p.Missing, p.Skipped))
		}
		if diff := cmp.Diff(tt.want, strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%d to %d in %d (-want +got)\n%s", tt.from, tt.to, tt.parts, diff)
		}
	}
}

// No list reads a whole table: each is led by an index, and sorts at most a
// page.
func TestListPlans(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 20))
	a, topic := &common.Address{1}, &common.Hash{2}
	down := store.Everything(10)
	down.After = &store.Position{Block: 5, Index: 1, Batch: 1}
	for name, query := range map[string]func(context.Context) error{
		"blocks":            func(ctx context.Context) error { _, err := s.Summaries(ctx, down); return err },
		"transactions":      func(ctx context.Context) error { _, err := s.TransactionSummaries(ctx, down); return err },
		"address":           func(ctx context.Context) error { _, err := s.TransactionsOf(ctx, *a, down); return err },
		"creation":          func(ctx context.Context) error { _, err := s.CreationOf(ctx, *a); return err },
		"logs":              func(ctx context.Context) error { _, err := s.LogSummaries(ctx, nil, nil, down); return err },
		"logs of address":   func(ctx context.Context) error { _, err := s.LogSummaries(ctx, a, nil, down); return err },
		"logs of both":      func(ctx context.Context) error { _, err := s.LogSummaries(ctx, a, topic, down); return err },
		"logs of topic":     func(ctx context.Context) error { _, err := s.LogSummaries(ctx, nil, topic, down); return err },
		"transfers":         func(ctx context.Context) error { _, err := s.TransferSummaries(ctx, nil, nil, down); return err },
		"transfers token":   func(ctx context.Context) error { _, err := s.TransferSummaries(ctx, a, nil, down); return err },
		"transfers account": func(ctx context.Context) error { _, err := s.TransferSummaries(ctx, nil, a, down); return err },
		"transfers both":    func(ctx context.Context) error { _, err := s.TransferSummaries(ctx, a, a, down); return err },
		"journal":           func(ctx context.Context) error { _, err := s.JournalBefore(ctx, 9, "reorg", 5); return err },
	} {
		t.Run(name, func(t *testing.T) {
			explained := explainPlans(t, s, query)
			for _, step := range explained {
				if strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "subquery") && !strings.HasPrefix(step, "SCAN f") {
					t.Errorf("reads all: %s\n%s", step, strings.Join(explained, "\n"))
				}
			}
		})
	}
}

// explainPlans gives the plans of the statements that a query runs.
func explainPlans(t *testing.T, s *store.Store, query func(context.Context) error) (steps []string) {
	t.Helper()
	recorder := &recorder{path: s.Path()}
	if err := s.ReadThrough(recorder); err != nil {
		t.Fatal(err)
	}
	if err := query(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, s.Path())
	defer db.Close()
	for i, statement := range recorder.statements {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, recorder.args[i]...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, step)
		}
	}
	if len(steps) == 0 {
		t.Fatal("there is no plan")
	}
	return steps
}

// A recorder notes the statements that are run through its connections.
type recorder struct {
	path       string
	statements []string
	args       [][]any
}

func (r *recorder) Driver() driver.Driver { return &sqlite.Driver{} }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.Driver().Open(r.path)
	return &recordingConn{conn, r}, err
}

type recordingConn struct {
	driver.Conn
	recorder *recorder
}

func (c *recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	values := make([]any, len(args))
	for i := range args {
		values[i] = args[i].Value
	}
	c.recorder.statements, c.recorder.args = append(c.recorder.statements, query), append(c.recorder.args, values)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

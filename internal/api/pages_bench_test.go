//go:build unix

package api_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/store"
)

var (
	loadTransactions = flag.Int("transactions", 20_000, "how many transactions the file of BenchmarkPages has")
	loadFile         = flag.String("load-file", "", "where the file of BenchmarkPages is kept, or is from before")
)

// BenchmarkPages draws each kind of page of a large file, and tells how long the
// server takes for the slowest of a hundred:
//
//	go test -run '^$' -bench Pages -benchtime 300x ./internal/api -transactions 1000000 -load-file /tmp/load.db
func BenchmarkPages(b *testing.B) {
	path := *loadFile
	if path == "" {
		path = filepath.Join(b.TempDir(), "load.db")
	}
	_, err := os.Stat(path)
	s, openErr := store.Open(b.Context(), path)
	if openErr != nil {
		b.Fatal(openErr)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err != nil {
		fill(b, s, *loadTransactions)
	}
	calls := jsonrpc.New(jsonrpc.Options{Reader: s.Reader, Client: "gapless/test", Changed: s.Changed})
	b.Cleanup(calls.Close)
	h := &rest.Handler{
		Store:  s,
		Status: func(ctx context.Context) (rest.Status, error) { return rest.FromFile(ctx, s.Reader) },
		Ready:  func() error { return nil },
	}
	server := api.NewServer(api.Routes{
		REST: h, Calls: calls, Pages: pages.New(h, pages.Labels{}, pages.NewSignatures(), nil), Metrics: prometheus.NewRegistry(),
	}, "127.0.0.1:8600")
	next, err := s.Next(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range loadPages(next) {
		b.Run(p.name, func(b *testing.B) { drawn(b, server.Handler, p.path) })
	}
}

// drawn measures one page.
func drawn(b *testing.B, h http.Handler, path func(i int) string) {
	var took, used []time.Duration
	size := 0
	for i := 0; b.Loop(); i++ {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://127.0.0.1:8600"+path(i), nil)
		r.Header.Set("Accept", "text/html")
		began, cpu := time.Now(), cpuTime()
		h.ServeHTTP(w, r)
		took, used = append(took, time.Since(began)), append(used, cpuTime()-cpu)
		if size = w.Body.Len(); w.Code != http.StatusOK {
			b.Fatalf("%s: %d %s", path(i), w.Code, w.Body)
		}
	}
	slices.Sort(took)
	slices.Sort(used)
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
	b.ReportMetric(used[len(used)*99/100].Seconds()*1000, "p99-cpu-ms")
	b.ReportMetric(float64(size), "B")
}

// cpuTime is what the process has used. Where others use the machine, it says
// more than the clock.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A loadPage is one kind of page; each time another one of it is asked for.
type loadPage struct {
	name string
	path func(i int) string
}

func loadPages(next uint64) []loadPage {
	const wide = 7919 // steps through the file
	stored := func(i int) uint64 {
		n := uint64(i) * wide % next
		for missingInLoad(n) {
			n++
		}
		return n
	}
	at := func(i int) string { return fmt.Sprintf("after=%d-0-0", stored(i)) }
	of := func(what string, i int) common.Address { return loadAddress(what, i%5000) }
	fixed := func(path string) func(int) string { return func(int) string { return path } }
	busy, quiet := loadAddress("account", 0), func(i int) common.Address { return of("account", i+1) }
	busyToken, rareToken := loadAddress("token", 0), func(i int) common.Address { return loadAddress("token", 1+i%300) }
	return []loadPage{
		{"home", fixed("/")},
		{"map", func(i int) string { return fmt.Sprintf("/?from=%d&to=%d", stored(i)/2, stored(i)/2+2000) }},
		{"blocks", func(i int) string { return "/blocks?" + at(i) }},
		{"block", func(i int) string { return fmt.Sprintf("/block/%d", stored(i)) }},
		{"missing-block", fixed("/block/100")},
		{"transactions", func(i int) string { return "/transactions?" + at(i) }},
		{"transaction", func(i int) string { return "/tx/" + loadHash(stored(i), 1+i%19).Hex() }},
		{"transaction-large", fixed("/tx/" + loadHash(next-1, 0).Hex())},
		{"address-busy", func(i int) string { return "/address/" + busy.Hex() + "?" + at(i) }},
		{"address-busy-transfers", func(i int) string { return "/address/" + busy.Hex() + "?show=transfers&" + at(i) }},
		{"address-busy-logs", func(i int) string { return "/address/" + busyToken.Hex() + "?show=logs&" + at(i) }},
		{"address-quiet", func(i int) string { return "/address/" + quiet(i).Hex() }},
		{"address-quiet-transfers", func(i int) string { return "/address/" + quiet(i).Hex() + "?show=transfers" }},
		{"address-quiet-logs", func(i int) string { return "/address/" + rareToken(i).Hex() + "?show=logs" }},
		{"address-unknown", func(i int) string { return "/address/" + loadAddress("unknown", i).Hex() + "?show=transfers" }},
		{"tokens", func(i int) string { return "/tokens?after=" + loadAddress("token", i%300).Hex() }},
		{"token-busy", func(i int) string { return "/token/" + busyToken.Hex() + "?" + at(i) }},
		{"token-rare", func(i int) string { return "/token/" + rareToken(i).Hex() }},
		{"missing", func(i int) string { return fmt.Sprintf("/missing?after=%d", stored(i)) }},
		{"journal", func(i int) string { return fmt.Sprintf("/journal?after=%d", 1+i*7) }},
		{"journal-failed", fixed("/journal?show=failed")},
		{"journal-reorg", fixed("/journal?show=reorg")},
	}
}

// A missing block is every fiftieth, and some in a row.
func missingInLoad(number uint64) bool {
	return number%50 == 0 && number > 0 || number >= 200 && number < 260
}

func loadAddress(what string, i int) common.Address {
	return common.BytesToAddress(crypto.Keccak256(fmt.Appendf(nil, "%s %d", what, i)))
}

func loadHash(number uint64, i int) common.Hash {
	return crypto.Keccak256Hash(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, number), uint64(i)))
}

const perBlock = 20 // transactions

// fill commits blocks with so many transactions in all. They are not linked by
// right hashes: nothing that is measured looks at them.
func fill(b *testing.B, s *store.Store, transactions int) {
	b.Helper()
	genesis := loadHash(0, -1)
	if err := s.Identify(b.Context(), store.Identity{ChainID: 1337, Genesis: genesis, Client: "load"}); err != nil {
		b.Fatal(err)
	}
	const together = 1000
	last := uint64(transactions / perBlock * 51 / 50)
	for first := uint64(0); first <= last; first += together {
		var entries []store.Entry
		var anchors []store.Anchor
		for n := first; n < first+together && n <= last; n++ {
			if missingInLoad(n) && n < last {
				f := chain.Failed(n, errors.New("missing trie node"), 3, time.Now())
				f.NextAt = time.Now().Add(time.Hour)
				entries = append(entries, store.Entry{Failure: f})
				continue
			}
			block := loadBlock(n, n == last)
			entries = append(entries, store.Entry{Block: block})
			anchors = append(anchors, store.Anchor{Number: n, Hash: block.Hash})
		}
		if highest, err := s.Highest(b.Context(), first); err != nil {
			b.Fatal(err)
		} else if highest != nil {
			anchors = append(anchors, *highest)
		}
		if err := s.Commit(b.Context(), entries, anchors...); err != nil {
			b.Fatal(err)
		}
	}
}

func loadBlock(number uint64, large bool) *chain.Block {
	block := &chain.Block{}
	block.Number, block.Hash, block.Timestamp = number, loadHash(number, -1), 1_700_000_000+number
	block.Miner, block.GasLimit, block.BaseFeePerGas = loadAddress("miner", 0), 30_000_000, uint256.NewInt(7)
	if number > 0 {
		block.ParentHash = loadHash(number-1, -1)
	}
	for i := range perBlock {
		block.Transactions = append(block.Transactions, loadTransaction(number, i, large && i == 0))
		block.GasUsed += 50_000
	}
	return block
}

// loadTransaction makes a transfer of a token. Of each three one is of the busy
// account, of each four three of the busy token.
func loadTransaction(number uint64, i int, large bool) chain.Transaction {
	n := int(number)*perBlock + i
	from, to, token := loadAddress("account", n%5000), loadAddress("account", n*7%5000), loadAddress("token", 0)
	if n%3 == 0 {
		from = loadAddress("account", 0)
	}
	if n%4 == 0 {
		token = loadAddress("token", n/4%301)
	}
	success := uint64(1)
	tx := chain.Transaction{Hash: loadHash(number, i), Type: 2, From: from, To: &token, Nonce: uint64(n), Gas: 60_000}
	tx.Input = append(common.FromHex("a9059cbb"), append(common.LeftPadBytes(to[:], 32), common.LeftPadBytes([]byte{7}, 32)...)...)
	tx.Receipt = chain.Receipt{Status: &success, GasUsed: 50_000, CumulativeGasUsed: uint64(i+1) * 50_000, EffectiveGasPrice: uint256.NewInt(9)}
	if n%1000 == 999 {
		created := loadAddress("account", n%5000)
		tx.To, tx.Receipt.ContractAddress = nil, &created
	}
	logs := 1
	if large {
		tx.Input, logs = append(tx.Input, make([]byte, 4<<20)...), 2000
	}
	transfer := crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	for range logs {
		tx.Receipt.Logs = append(tx.Receipt.Logs, chain.Log{
			Address: token, Data: common.LeftPadBytes([]byte{7}, 32),
			Topics: []common.Hash{transfer, common.BytesToHash(from[:]), common.BytesToHash(to[:])},
		})
	}
	return tx
}

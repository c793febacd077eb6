package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// One block and one transaction of each kind are answered as they were, and so
// is what is not there.
func TestSingle(t *testing.T) {
	f := newFixture(t)
	f.commit(1200, 10, 20)
	finalized, safe := f.chain.Block(1100), f.chain.Block(1150)
	if err := f.store.SetFinality(t.Context(), &store.Tag{Number: 1100, Hash: finalized.Hash}, &store.Tag{Number: 1150, Hash: safe.Hash}); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, block := range []string{"5", f.chain.Block(5).Hash.Hex(), "1121", "1199", "latest", "10", "1201", "0x" + strings.Repeat("12", 32)} {
		paths = append(paths, "blocks/"+block)
	}
	for _, at := range []uint64{5, 1121} {
		_, hashes := hashesIn(t, f.chain.Block(at).Block)
		for _, hash := range hashes {
			paths = append(paths, "transactions/"+hash.Hex())
		}
	}
	token := walk[rest.Token](f, "/api/v1/tokens?limit=10")[0].Address.Hex()
	f.golden("single", append(paths, "transactions/0x"+strings.Repeat("12", 32), "tokens/"+token, "addresses/"+token)...)
}

// hashesIn are the transactions in a node's block.
func hashesIn(t testing.TB, block json.RawMessage) (number string, hashes []common.Hash) {
	t.Helper()
	var b struct {
		Number       string
		Transactions []struct{ Hash common.Hash }
	}
	if err := json.Unmarshal(block, &b); err != nil {
		t.Fatal(err)
	}
	for _, tx := range b.Transactions {
		hashes = append(hashes, tx.Hash)
	}
	return b.Number, hashes
}

// What one transaction is said to have logged and moved is what the lists say of
// its block.
func TestSingleAgreesWithLists(t *testing.T) {
	f := newFixture(t)
	f.commit(1120)
	for number := uint64(1000); number <= 1120; number += 10 {
		within := fmt.Sprintf("from=%d&to=%[1]d&order=asc&limit=1000", number)
		_, hashes := hashesIn(t, f.chain.Block(number).Block)
		var logs []rest.Log
		var transfers []rest.Transfer
		var txs []rest.Transaction
		for _, hash := range hashes {
			tx := read[rest.WholeTransaction](t, f.do("GET", "/api/v1/transactions/"+hash.Hex(), ""))
			logs, transfers, txs = append(logs, tx.Written...), append(transfers, tx.Transfers...), append(txs, tx.Transaction)
		}
		if diff := cmp.Diff(walk[rest.Log](f, "/api/v1/logs?"+within), logs); diff != "" {
			t.Errorf("logs (-list +single)\n%s", diff)
		}
		if diff := cmp.Diff(walk[rest.Transfer](f, "/api/v1/transfers?"+within), transfers); diff != "" {
			t.Errorf("transfers (-list +single)\n%s", diff)
		}
		if diff := cmp.Diff(walk[rest.Transaction](f, "/api/v1/transactions?"+within), txs); diff != "" {
			t.Errorf("transactions (-list +single)\n%s", diff)
		}
		block := read[rest.WholeBlock](t, f.do("GET", fmt.Sprintf("/api/v1/blocks/%d", number), ""))
		if diff := cmp.Diff(walk[rest.Block](f, "/api/v1/blocks?"+within), []rest.Block{block.Block}); diff != "" {
			t.Errorf("block (-list +single)\n%s", diff)
		}
		if diff := cmp.Diff(hashes, block.Hashes, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("hashes (-node +single)\n%s", diff)
		}
	}
}

// A missing block says that it is missing, why, and when it is worth to ask
// again; one that was given up says that.
func TestMissingBlock(t *testing.T) {
	f := newFixture(t)
	f.commit(20, 10)
	type missing struct {
		problem.Details
		Missing rest.Failed `json:"missing"`
	}
	answer := f.do("GET", "/api/v1/blocks/10", "")
	p := read[missing](t, answer)
	if answer.StatusCode != 404 || p.Missing.Number != 10 || !strings.Contains(p.Detail, "block 10 is missing (block_error: lost) after 3 tries, and is tried again at 2033-") {
		t.Errorf("%s %+v", answer.Status, p)
	}
	after, err := time.ParseDuration(answer.Header.Get("Retry-After") + "s")
	if early := time.Until(p.Missing.NextRetryAt) - after; err != nil || early > 0 || early < -time.Hour {
		t.Errorf("Retry-After is %s, %s too early, %v", after, early, err)
	}
	if err := f.store.Skip(t.Context(), 10, "lost for ever"); err != nil {
		t.Fatal(err)
	}
	answer = f.do("GET", "/api/v1/blocks/10", "")
	if p := read[missing](t, answer); !strings.Contains(p.Detail, "was given up: lost for ever") || answer.Header.Get("Retry-After") != "" {
		t.Errorf("%v %+v", answer.Header, p)
	}
}

// A client that has the answer is not sent it again; one that has an older one
// is. HEAD says the same without the body.
func TestTags(t *testing.T) {
	f := newFixture(t)
	f.commit(20)
	for _, path := range []string{"/api/v1/blocks/latest", "/api/v1/blocks?limit=3", "/api/v1/coverage"} {
		first := f.do("GET", path, "")
		tag := first.Header.Get("ETag")
		body, err := io.ReadAll(first.Body)
		if err != nil || len(tag) != 34 || first.Header.Get("Cache-Control") != "no-cache" {
			t.Fatalf("%s: %v %v", path, first.Header, err)
		}
		if again := f.do("GET", path, "", "If-None-Match", tag); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %s", path, again.Status)
		}
		head := f.do("HEAD", path, "")
		if none, _ := io.ReadAll(head.Body); len(none) > 0 || head.ContentLength != int64(len(body)) || head.Header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %v, %d bytes", path, head.Header, len(none))
		}
		defer func() {
			if now := f.do("GET", path, "", "If-None-Match", tag); now.StatusCode != http.StatusOK || now.Header.Get("ETag") == tag {
				t.Errorf("%s after a commit: %s", path, now.Status)
			}
		}()
	}
	f.commit(21)
	if refused := f.do("GET", "/api/v1/blocks/99", ""); refused.Header.Get("ETag") != "" || refused.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a problem may be kept: %v", refused.Header)
	}
}

// While the indexes are made that come last, what needs them is a problem that
// passes; the rest is answered.
func TestUnindexed(t *testing.T) {
	f := newFixture(t)
	if err := f.store.PostponeIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.commit(20)
	const of = "=0x7000000000000000000000000000000000000001"
	for path, want := range map[string]int{
		"blocks": 200, "blocks/5": 200, "transactions": 200, "logs?from=5": 200, "transfers?to=9": 200,
		"tokens": 503, "addresses/0x7000000000000000000000000000000000000001": 503, "transactions?address" + of: 503,
		"logs?address" + of: 503, "transfers?token" + of: 503, "transfers?address" + of: 503,
	} {
		answer := f.do("GET", "/api/v1/"+path, "")
		if answer.StatusCode != want {
			t.Errorf("%s: %s", path, answer.Status)
		} else if want == 503 {
			if p := read[problem.Details](t, answer); !strings.Contains(p.Detail, "once its first sync is done") {
				t.Errorf("%s: %+v", path, p)
			}
		}
	}
}

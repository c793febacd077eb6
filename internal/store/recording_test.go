package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

// recording is the recorded chain of testdata/chain, read once. A child may be
// given a shorter one.
var recording = sync.OnceValue(func() *recorded.Chain {
	path := os.Getenv(childRecording)
	if path == "" {
		return testdata.Recording()
	}
	c, err := recorded.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return c
})

// decode makes a block of a node's raw answers, as the indexer does.
func decode(raw *recorded.Block, checks chain.Check) (*chain.Block, error) {
	b, err := chain.DecodeBlock(raw.Block)
	if err != nil {
		return nil, err
	}
	if err := b.DecodeReceipts(raw.Receipts); err != nil {
		return nil, err
	}
	if err := b.DecodeUncles(raw.Uncles); err != nil {
		return nil, err
	}
	if v := chain.Verify(b, checks); v.Failed != 0 {
		return b, fmt.Errorf("block %d: %s", b.Number, v.Why)
	}
	return b, nil
}

// block is a block of the recording.
func block(t *testing.T, number uint64) *chain.Block {
	t.Helper()
	return verified(t, recording().Block(number))
}

func verified(t testing.TB, raw *recorded.Block) *chain.Block {
	t.Helper()
	b, err := decode(raw, chain.QuickChecks)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fork is a block of the recording as another chain has it: on another parent,
// and with another hash. All its checks pass.
func fork(t *testing.T, number uint64, parent common.Hash) *chain.Block {
	t.Helper()
	raw := recording().Block(number)
	return verified(t, edit(t, raw, map[string]any{"extraData": "0xf0", "parentHash": parent}))
}

// edit changes keys of a block and gives it the hash that follows from them,
// also where its transactions and receipts name it.
func edit(t *testing.T, raw *recorded.Block, changes map[string]any) *recorded.Block {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal(raw.Block, &keys); err != nil {
		t.Fatal(err)
	}
	for key, value := range changes {
		keys[key] = value
	}
	var header types.Header
	changed := marshal(t, keys)
	if err := json.Unmarshal(changed, &header); err != nil {
		t.Fatal(err)
	}
	hash := header.Hash()
	renamed := func(in []byte) []byte {
		return bytes.ReplaceAll(in, []byte(raw.Hash.Hex()), []byte(hash.Hex()))
	}
	return &recorded.Block{Number: raw.Number, Hash: hash, Parent: header.ParentHash,
		Block: renamed(changed), Receipts: renamed(raw.Receipts), Uncles: raw.Uncles}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stored are the entries of blocks of the recording.
func stored(t *testing.T, first, last uint64) []store.Entry {
	t.Helper()
	var entries []store.Entry
	for n := first; n <= last; n++ {
		entries = append(entries, store.Entry{Block: block(t, n)})
	}
	return entries
}

// missing are the entries of blocks that failed.
func missing(first, last uint64) []store.Entry {
	var entries []store.Entry
	for n := first; n <= last; n++ {
		entries = append(entries, store.Entry{Failure: failure(n, 3)})
	}
	return entries
}

// noon is when things fail.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func failure(number uint64, tries int) *chain.Failure {
	at := noon.Add(time.Duration(tries) * time.Second)
	return &chain.Failure{Number: number, Class: chain.BlockError, Message: fmt.Sprintf("no block %d", number),
		Tries: tries, At: at, NextAt: at.Add(16 * time.Second)}
}

// anchor is what the recorded node gives as the hash of a block.
func anchor(number uint64) store.Anchor {
	return store.Anchor{Number: number, Hash: recording().Block(number).Hash}
}

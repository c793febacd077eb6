package chain_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// A header is read from a block in any form, and from a notification.
func TestDecodeHeader(t *testing.T) {
	b := editedBlock(t, nil)
	notification := edited(func(a *answers) {
		for _, key := range []string{"size", "transactions", "uncles", "withdrawals"} {
			delete(a.Block, key)
		}
	}).Block
	for name, raw := range map[string]json.RawMessage{
		"transactions": b.AppendBlock(nil, true), "hashes": b.AppendBlock(nil, false), "notification": notification,
	} {
		h, err := chain.DecodeHeader(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Hash != b.Hash || h.ParentHash != b.ParentHash || h.Number != b.Number || h.Unknown() {
			t.Errorf("%s: header %+v", name, h)
		}
		if err := h.Recompute(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.Timestamp++
		if err := h.Recompute(); chain.ClassOf(err) != chain.Invalid {
			t.Errorf("%s with another time: %v", name, err)
		}
	}
	for raw, want := range map[string]chain.Class{`null`: chain.NotYet, `{}`: chain.Invalid, `[`: chain.Invalid, `{"number":null}`: chain.Invalid} {
		if _, err := chain.DecodeHeader(json.RawMessage(raw)); err == nil || chain.ClassOf(err) != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestAppendBlockWithHashes(t *testing.T) {
	b := editedBlock(t, nil)
	var got struct{ Transactions []common.Hash }
	if err := json.Unmarshal(b.AppendBlock(nil, false), &got); err != nil {
		t.Fatal(err)
	}
	var want []common.Hash
	for i := range b.Transactions {
		want = append(want, b.Transactions[i].Hash)
	}
	if diff := cmp.Diff(want, got.Transactions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The lists that are columns are read as they were written, none as none.
func TestLists(t *testing.T) {
	for _, want := range [][]chain.AccessTuple{nil, {}, {{Address: token, StorageKeys: []common.Hash{}}, {StorageKeys: []common.Hash{{1}}}}} {
		got, err := chain.DecodeAccessList(chain.EncodeAccessList(want))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	all := *new(uint256.Int).SetAllOne()
	for _, want := range [][]chain.Authorization{nil, {}, {{ChainID: all, Address: token, Nonce: 1<<64 - 1, YParity: 1, R: all, S: all}, {}}} {
		got, err := chain.DecodeAuthorizations(chain.EncodeAuthorizations(want))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func TestFailed(t *testing.T) {
	at := time.Unix(1, 0)
	long := errors.New(strings.Repeat("x", 100_000))
	got := chain.Failed(7, &chain.Error{Class: chain.Pruned, Err: long}, 3, at)
	want := &chain.Failure{Number: 7, Class: chain.Pruned, Message: strings.Repeat("x", 500) + "… (100000 bytes)", Tries: 3, At: at}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := chain.Failed(7, errors.New("odd"), 1, at).Class; c != chain.BlockError {
		t.Errorf("class %s of an error without one", c)
	}
	var ofEndpoint []chain.Class
	for _, c := range chain.Classes {
		if !c.OfBlock() {
			ofEndpoint = append(ofEndpoint, c)
		}
	}
	endpoint := []chain.Class{chain.EndpointDown, chain.EndpointRefuses, chain.RateLimited, chain.TooLarge, chain.Unsupported}
	if diff := cmp.Diff(endpoint, ofEndpoint); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/api/jsonrpc"
)

// The base fee that is computed for the block after each block is that of the
// next block, where it is known.
func TestBaseFeeOfTheNextBlock(t *testing.T) {
	t.Parallel()
	head := uint64(0)
	f := newFixture(t, recording(), 0, func(o *jsonrpc.Options) { o.Head = func() uint64 { return head } })
	f.commit(f.chain.Last())
	known := 0
	for ; head < f.chain.Last(); head += 7 {
		var next struct{ BaseFeePerGas *string }
		if err := json.Unmarshal(f.chain.Block(head+1).Block, &next); err != nil {
			t.Fatal(err)
		}
		r := f.call("eth_baseFee", `[]`)
		if r.Error != nil {
			if r.Error.Code != -32004 {
				t.Errorf("block %d: %+v", head, *r.Error)
			}
			continue
		}
		known++
		if next.BaseFeePerGas == nil || string(r.Result) != fmt.Sprintf("%q", *next.BaseFeePerGas) {
			t.Errorf("block %d: %s, but the next block has %v", head, r.Result, next.BaseFeePerGas)
		}
	}
	if known < 100 {
		t.Errorf("only known after %d blocks", known)
	}
}

// Where the chain does not follow EIP-1559 as this program knows it, or there is
// nothing to see it by, the next base fee is not known.
func TestBaseFeeUnknown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	f.commit(1100)
	f.fails(-32004, "", "eth_baseFee", `[]`) // one block alone
	f.fails(-32004, "", "eth_feeHistory", `["0x1","latest",[]]`)
	f.commit(1105)
	if r := f.call("eth_baseFee", `[]`); r.Error != nil {
		t.Errorf("%+v", *r.Error)
	}
	odd := newFixture(t, recording(), 1100)
	odd.commit(1102)
	b := decode(t, edit(t, odd.chain.Block(1103), map[string]any{"baseFeePerGas": "0x123456789", "parentHash": common.Hash(odd.chain.Block(1102).Hash)}))
	if err := odd.store.Commit(t.Context(), entryOf(b)); err != nil {
		t.Fatal(err)
	}
	odd.fails(-32004, "", "eth_baseFee", `[]`)
	odd.fails(-32004, "", "eth_feeHistory", `["0x2","latest",[50]]`)
	if r := odd.call("eth_feeHistory", `["0x1","0x44d",[50]]`); r.Error != nil { // not of the latest
		t.Errorf("%+v", *r.Error)
	}
}

func TestFeeHistoryParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	f.commit(1110)
	for _, tt := range []struct {
		params string
		code   int
	}{
		{`["0x0","latest",[]]`, 0},
		{`["0x5","latest",[]]`, 0},
		{`["5","latest",[]]`, 0},
		{`[5,"latest",[0,50.5,100]]`, 0},
		{`["0x6","pending",[]]`, -32004},
		{`["0x5","latest"]`, -32602},
		{`["x","latest",[]]`, -32602},
		{`[-1,"latest",[]]`, -32602},
		{`["0x5","latest",[50,10]]`, -32000},
		{`["0x5","latest",[101]]`, -32000},
		{`["0x5","latest",[-1]]`, -32000},
		{`["0x5","0xffff",[]]`, -32000},
		{`["0x5","finalized",[]]`, -32000},
	} {
		if tt.code != 0 {
			f.fails(tt.code, "", "eth_feeHistory", tt.params)
		} else if r := f.call("eth_feeHistory", tt.params); r.Error != nil {
			t.Errorf("%s: %+v", tt.params, *r.Error)
		}
	}
}

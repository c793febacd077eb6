package chain_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// seed adds small blocks of every node, and odd ones.
func seed(f *testing.F) {
	f.Helper()
	add := func(raw recorded.Block) {
		f.Add([]byte(raw.Block), []byte(raw.Receipts), bytes.Join(rawBytes(raw.Uncles), nil))
	}
	for _, path := range recordings(f) {
		for i, raw := range readRecording(f, path).Blocks {
			if len(raw.Block)+len(raw.Receipts) < 10_000 && i%7 == 0 {
				add(raw)
			}
		}
	}
	for _, key := range slices.Concat(quantities, repeated) {
		for _, value := range []string{`7`, `null`, `"0xffffffffffffffff"`, `{}`, ``} {
			add(replaced(key, value))
		}
	}
}

func rawBytes(raws []json.RawMessage) (all [][]byte) {
	for _, raw := range raws {
		all = append(all, raw)
	}
	return all
}

// fuzzed decodes what is given, with the same answer for each uncle.
func fuzzed(block, receipts, uncle []byte) (*chain.Block, error) {
	b, err := chain.DecodeBlock(block)
	if err != nil {
		return nil, err
	}
	if err := b.DecodeReceipts(receipts); err != nil {
		return nil, err
	}
	return b, b.DecodeUncles(slices.Repeat([]json.RawMessage{uncle}, len(b.UncleHashes)))
}

// What decodes is given again as JSON that decodes to the same.
func FuzzDecodeBlock(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, block, receipts, uncle []byte) {
		b, err := fuzzed(block, receipts, uncle)
		if err != nil {
			return
		}
		given := encode(b)
		again, err := decode(given)
		if err != nil {
			t.Fatalf("%v in %s", err, given.Block)
		}
		if !reflect.DeepEqual(b, again) {
			t.Errorf("decoded again it differs:\n%s\n%s", given.Block, given.Receipts)
		}
		if err := b.Restore(); err != nil {
			t.Fatal(err)
		}
		if restored := encode(b); !reflect.DeepEqual(restored, encode(again)) {
			t.Errorf("restored it differs:\n%s\n%s\ngiven:\n%s\n%s", restored.Block, restored.Receipts, given.Block, given.Receipts)
		}
	})
}

// Verify gives one verdict on whatever decodes, and keeps to it. The fuzzer
// puts two JSON values in places of an honest block, which finds more than
// changing bytes does.
func FuzzVerify(f *testing.F) {
	for place := range uint16(100) { // there are some 80
		for _, value := range []string{`7`, `null`, `"0x"`, `"0xffffffffffffffff"`, `{}`, `[]`, `[null]`, `"\u0000"`} {
			f.Add(place, value, place/2, `"0x7e"`)
		}
	}
	f.Fuzz(func(t *testing.T, place uint16, value string, place2 uint16, value2 string) {
		if !json.Valid([]byte(value)) || !json.Valid([]byte(value2)) {
			return
		}
		b, err := decode(edited(func(a *answers) {
			put := a.places()
			put[int(place)%len(put)](value)
			put[int(place2)%len(put)](value2)
		}))
		if err != nil {
			return
		}
		v := chain.Verify(b, chain.AllChecks)
		if v.Passed^v.NotComputable^v.Failed != chain.AllChecks || v.Verified() != (v.Why == "") {
			t.Errorf("verdict %+v", v)
		}
		again, err := decode(encode(b))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(encode(b), encode(again)) {
			t.Error("given again it differs")
		}
		if got := chain.Verify(again, chain.AllChecks); got != v {
			t.Errorf("verdict %+v, of the same given again %+v", v, got)
		}
		if err := b.Restore(); err != nil {
			t.Fatal(err)
		}
		if got := chain.Verify(b, chain.AllChecks); got != v {
			t.Errorf("verdict %+v, of the same restored %+v", v, got)
		}
	})
}

// places gives for each key of the block, of a transaction, a receipt, a log
// and a withdrawal, and for one that they don't have, what puts a value there.
func (a *answers) places() (put []func(value string)) {
	for _, o := range []object{a.Block, a.tx(1), a.Receipts[1], a.log(1, 0), a.Block["withdrawals"].([]any)[0].(object)} {
		for _, key := range append(slices.Sorted(maps.Keys(o)), "odd") {
			put = append(put, func(value string) { o[key] = json.RawMessage(value) })
		}
	}
	return put
}

func FuzzTransfers(f *testing.F) {
	args := slices.Concat(bob[:12], bob[:12])
	f.Add(byte(0), args, words("1"))
	f.Add(byte(1), args, words("1 2"))
	f.Add(byte(2), args, words("40 a0 2 1 2 2 3 4"))
	f.Add(byte(2), args, words("40 40 ffffffffffffffff 1"))
	f.Fuzz(func(t *testing.T, event byte, topics, data []byte) {
		log := chain.Log{Address: token, Data: data}
		log.Topics = append(log.Topics, []common.Hash{transferTopic, singleTopic, batchTopic}[event%3])
		for topic := range slices.Chunk(topics[:min(len(topics), 60)], 20) {
			log.Topics = append(log.Topics, common.BytesToHash(topic))
		}
		transfers := log.Transfers()
		if len(transfers) > max(1, len(data)/32) {
			t.Errorf("%d transfers of %d bytes", len(transfers), len(data))
		}
		for i, transfer := range transfers {
			if transfer.Token != token || transfer.Batch != i || (transfer.TokenID == nil) != (transfer.Standard == chain.ERC20) {
				t.Errorf("transfer %d: %+v", i, transfer)
			}
		}
	})
}

package chain_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/recorded"
)

func parse(raw []byte) (v any) {
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err)
	}
	return v
}

func parseAll(raws []json.RawMessage) []any {
	all := make([]any, len(raws))
	for i, raw := range raws {
		all[i] = parse(raw)
	}
	return all
}

func marshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// answered makes a node's answers of their parsed form.
func answered(answers map[string]any) recorded.Block {
	raw := recorded.Block{Block: marshal(answers["block"]), Receipts: marshal(answers["receipts"])}
	for _, uncle := range answers["uncles"].([]any) {
		raw.Uncles = append(raw.Uncles, marshal(uncle))
	}
	return raw
}

type object = map[string]any

// answers are those of a node for one block, parsed, for tests to change.
type answers struct {
	Block    object
	Receipts []object
	Uncles   []json.RawMessage
}

// edited gives the answers for a block of three transactions, of types 0 to 2,
// with two logs each, one withdrawal and one uncle, after a change.
func edited(edit func(a *answers)) recorded.Block {
	raw := honest()
	a := &answers{Uncles: slices.Clone(raw.Uncles)}
	if err := json.Unmarshal(raw.Block, &a.Block); err != nil {
		panic(err)
	}
	if err := json.Unmarshal(raw.Receipts, &a.Receipts); err != nil {
		panic(err)
	}
	if edit != nil {
		edit(a)
	}
	return recorded.Block{Number: 3, Block: marshal(a.Block), Receipts: marshal(a.Receipts), Uncles: a.Uncles}
}

var honest = sync.OnceValue(func() recorded.Block {
	return devchain.Build(devchain.Spec{Blocks: 3, Transactions: 3, Logs: 2, Uncles: 3}).Blocks[3]
})

func (a *answers) tx(i int) object { return a.Block["transactions"].([]any)[i].(object) }

func (a *answers) log(i, j int) object { return a.Receipts[i]["logs"].([]any)[j].(object) }

func editedBlock(t *testing.T, edit func(a *answers)) *chain.Block {
	t.Helper()
	return mustDecode(t, edited(edit))
}

//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/e2e/nodes"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

// A keyLie is about one key of one kind of object.
type keyLie struct {
	object, key, how string
	unknown          bool // with an unknown key beside it
}

func (l keyLie) String() string {
	return fmt.Sprintf("%s %s of %s, unknown key %t", l.how, l.key, l.object, l.unknown)
}

// keyLies are those about every key of the field tables, in every way.
func keyLies() (all []keyLie) {
	for _, object := range []string{"block", "transaction", "receipt", "log"} {
		for _, key := range chain.Keys(object) {
			for _, how := range []string{"changed", "renamed", "doubled", "absent"} {
				all = append(all, keyLie{object, key, how, false}, keyLie{object, key, how, true})
			}
		}
	}
	return all
}

// tell changes an answer, if it has such an object with that key.
func (l keyLie) tell(i *item) bool {
	told := false
	change := func(o object) {
		value, ok := o[l.key]
		if told || !ok {
			return
		}
		told = true
		if l.unknown {
			o["unheard"] = "0x1"
		}
		switch l.how {
		case "changed":
			o[l.key] = otherValue(value)
		case "renamed":
			delete(o, l.key)
			o[l.key+"x"] = value
		case "absent":
			delete(o, l.key)
		case "doubled":
			o["doubled"] = otherValue(value)
		}
	}
	switch {
	case l.object == "block" && i.isBlock():
		edit(i, func(o *object) bool { change(*o); return told })
	case l.object == "transaction" && i.isBlock():
		edit(i, func(o *object) bool { eachObject((*o)["transactions"], change); return told })
	case l.object == "receipt" && i.isReceipts():
		edit(i, func(all *[]any) bool { eachObject(*all, change); return told })
	case l.object == "log" && i.isReceipts():
		edit(i, func(all *[]any) bool {
			eachObject(*all, func(r object) { eachObject(r["logs"], change) })
			return told
		})
	}
	i.result = bytes.Replace(i.result, []byte(`"doubled":`), []byte(fmt.Sprintf("%q:", l.key)), 1)
	return told
}

func eachObject(list any, visit func(object)) {
	items, _ := list.([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			visit(o)
		}
	}
}

// otherValue is one of the same form.
func otherValue(v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case []any:
		return append(v, v...)
	case string:
		last := len(v) - 1
		if v == "0x" {
			return "0x01"
		}
		return v[:last] + map[bool]string{true: "2", false: "1"}[v[last] == '1']
	}
	return "0x1000000000000000000000000000000000000001"
}

// Before a real geth, whatever is told wrong about any key of any object, of all
// blocks or of every third, with or without an unknown key: nothing wrong is
// stored.
func TestLiesAboutEveryKey(t *testing.T) {
	lies := keyLies()
	genesis, rlp := loadChain(t, max(len(lies), 60), 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	want := all(t, n, 0)
	inTurn := func(number uint64) keyLie { return lies[number%uint64(len(lies))] }
	always := func(l keyLie) func(uint64) keyLie { return func(uint64) keyLie { return l } }
	for _, tt := range []struct {
		name  string
		every uint64
		last  int
		lie   func(number uint64) keyLie
	}{
		{"each of another key", 1, len(want) - 1, inTurn},
		{"every third of another key", 3, len(want) - 1, func(number uint64) keyLie { return inTurn(number / 3) }},
		{"miner of all", 1, 60, always(keyLie{"block", "miner", "changed", true})},
		{"value of all", 1, 60, always(keyLie{"transaction", "value", "changed", true})},
		{"status of all", 1, 60, always(keyLie{"receipt", "status", "changed", true})},
		{"data of all", 1, 60, always(keyLie{"log", "data", "changed", true})},
		{"type of all", 1, 60, always(keyLie{"transaction", "type", "changed", true})},
		{"requests hash of all", 1, 60, always(keyLie{"block", "requestsHash", "renamed", true})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProxy(t, n, thisMachine, *seed)
			p.set(spoils{every: tt.every, times: 1 << 30, faults: []fault{{name: tt.name, item: func(i *item) bool {
				number, _ := i.block()
				return tt.lie(number).tell(i)
			}}}})
			g := run(t, p.url, "--confirmations", fmt.Sprint(len(want)-1-tt.last))
			g.eventually(func() error { return g.read(func(r *store.Reader) error { return g.reached(r, uint64(tt.last)) }) })
			g.interrupt()
			stored, lied := 0, 0
			err := g.read(func(r *store.Reader) error {
				hashes, err := r.HashesBetween(t.Context(), 0, uint64(tt.last))
				for _, h := range hashes {
					b, err := r.Block(t.Context(), h.Number)
					if err != nil {
						return err
					}
					stored++
					if h.Number > 0 && h.Number%tt.every == 0 {
						lied++
					}
					block, receipts := want[h.Number].raw(t)
					for _, lie := range append(nodetest.Lies(block, b.AppendBlock(nil, true)), nodetest.Lies(receipts, b.AppendReceipts(nil))...) {
						t.Errorf("block %d: %s, by a node that told %s", h.Number, lie, tt.lie(h.Number))
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d of %d blocks are stored, in %d of which nothing was wrong though they were told otherwise", stored, tt.last+1, lied)
		})
	}
}

// reached reports whether all numbers up to a block are stored or missing.
func (g *gapless) reached(r *store.Reader, last uint64) error {
	next, err := r.Next(g.ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && next <= last {
		err = fmt.Errorf("at block %d of %d: %w", next, last, err)
	}
	return err
}

// raw gives the answers as JSON.
func (w told) raw(t *testing.T) (block, receipts []byte) {
	block, err := json.Marshal(w.block)
	if err == nil {
		receipts, err = json.Marshal(w.receipts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return block, receipts
}

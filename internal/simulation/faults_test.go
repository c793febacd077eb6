package simulation

import (
	"fmt"
	"strings"

	"gapless/internal/node/nodetest"
)

// wholeKinds are the faults that a node has with whatever it is asked.
func wholeKinds() (kinds []nodetest.Kind) {
	for _, kind := range nodetest.Kinds() {
		if kind >= nodetest.TruncatedBody {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// fault makes one of a kind, which is over after some uses, or for some blocks
// only at the end.
func (w *world) fault(kind nodetest.Kind, most int) *nodetest.Fault {
	f := &nodetest.Fault{Kind: kind, Times: 1 + w.rng.IntN(most), Seed: w.rng.IntN(10_000)}
	switch kind {
	case nodetest.RPCError:
		f.Code = []int{-32000, -32603, 4444, -32005, -32003, -32002, -32601}[w.rng.IntN(7)]
	case nodetest.Status:
		f.Code = []int{429, 429, 500, 502, 503, 413, 401, 404}[w.rng.IntN(8)]
		if f.Code == 429 && w.rng.IntN(2) == 0 {
			f.RetryAfter = fmt.Sprint(1 + w.rng.IntN(90))
		}
	}
	w.faults = append(w.faults, f)
	return f
}

func describeFault(f *nodetest.Fault) string {
	text := f.Kind.String()
	if f.Code != 0 {
		text += fmt.Sprintf(" %d", f.Code)
	}
	if f.RetryAfter != "" {
		text += " retry after " + f.RetryAfter
	}
	if f.Times == 0 {
		return text + ", always"
	}
	return fmt.Sprintf("%s, %d times", text, f.Times)
}

// spoilBlocks lets one node fail about some blocks near the head or anywhere.
func (w *world) spoilBlocks() {
	i, kinds := w.rng.IntN(len(w.nodes)), nodetest.Kinds()
	kind, first := kinds[w.rng.IntN(len(kinds))], w.rng.Uint64N(w.head+8)
	if w.rng.IntN(2) == 0 && w.head > 6 {
		first = w.head - 6 + w.rng.Uint64N(12)
	}
	last, stubborn := first+w.rng.Uint64N(5), w.rng.IntN(4) == 0
	var said []string
	w.nodes[i].Do(func(n *nodetest.Node) {
		for number := first; number <= last; number++ {
			f := w.fault(kind, 12)
			if stubborn {
				f.Times = 0
			}
			n.Faults[number] = f
			said = append(said, fmt.Sprintf("%d (%s)", number, describeFault(f)))
		}
	})
	w.note("blocks spoiled", "node %d: %s", i, strings.Join(said, ", "))
}

// spoilAll lets one node fail with everything for a few answers.
func (w *world) spoilAll() {
	i, kinds := w.rng.IntN(len(w.nodes)), wholeKinds()
	f := w.fault(kinds[w.rng.IntN(len(kinds))], 6)
	w.nodes[i].Do(func(n *nodetest.Node) { n.Every = f })
	w.note("answers spoiled", "node %d: %s", i, describeFault(f))
}

// quirks gives the nodes ways that they keep.
func (w *world) quirks() {
	for i, n := range w.nodes {
		n.Do(func(n *nodetest.Node) {
			n.NoWebSocket, n.Silent = w.rng.IntN(2) == 0, w.rng.IntN(4) == 0
			n.StringIDs, n.Reverse, n.RefuseByObject = w.rng.IntN(4) == 0, w.rng.IntN(4) == 0, w.rng.IntN(2) == 0
			n.MaxBatch = []int{0, 0, 0, 1, 3, 20}[w.rng.IntN(6)]
			n.NoBlockReceipts = []int{0, 0, 0, -32601, -32004}[w.rng.IntN(5)]
			w.note("node", "%d: no websocket %t, silent %t, string ids %t, reverse %t, batches to %d, no block receipts %d, answers after %s",
				i, n.NoWebSocket, n.Silent, n.StringIDs, n.Reverse, n.MaxBatch, n.NoBlockReceipts, w.delay(i))
			if n.MaxBatch > 0 {
				w.counts.add("node with a batch limit")
			}
			if n.NoBlockReceipts != 0 {
				w.counts.add("node without eth_getBlockReceipts")
			}
			if n.Silent {
				w.counts.add("node with a silent subscription")
			}
		})
	}
}

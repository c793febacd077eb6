// Package nodetest holds the one fake Ethereum node: it serves a recorded or
// built chain over JSON-RPC, as an [http.Handler] on a real socket or as an
// [http.RoundTripper] in memory (in a testing/synctest bubble too), and fails
// as it is told. The demo command uses it as well.
package nodetest

import (
	"maps"
	"sync"

	"gapless/internal/node/recorded"
)

// A Node is a node that serves a chain. Make one with [New]; read and change
// its fields within [Node.Do] only.
type Node struct {
	// Chain is served up to number Head. Another chain, or a lower Head, is
	// what a reorg, revert or reset is.
	Chain  *recorded.Chain
	Head   uint64
	Client string // web3_clientVersion
	// Syncing is what eth_syncing answers beside false: an object with the head
	// and this number as the highest block; 0: false.
	Syncing uint64
	Tags    map[string]uint64 // "finalized" and "safe"; absent: geth's error -32000
	// Sworn are blocks that the node calls "finalized" or "safe" whatever its
	// chain is. It does not have them otherwise.
	Sworn map[string]*recorded.Block

	Lowest     uint64 // lower blocks but the genesis are pruned: error 4444
	Receipted  uint64 // so are the receipts of blocks lower than that
	Fork       uint64 // of an anvil or hardhat: the block at which it was forked; 0: none
	ForkURL    string // anvil tells it
	InstanceID string // anvil and hardhat tell it
	NoMetadata bool   // anvil does not know hardhat_metadata

	// Faults by block number; FaultFunc is asked where Faults has none. See
	// [Fault] for what counts as a use.
	Faults    map[uint64]*Fault
	FaultFunc func(number uint64) *Fault
	// Every answers every HTTP request or WebSocket message.
	Every *Fault

	Down            bool // connections are refused, open ones cut
	MaxBatch        int  // larger batches are refused; 0: none
	RefuseByObject  bool // ... by an object instead of an array of one
	NoBlockReceipts int  // the code that eth_getBlockReceipts fails with; 0: it works
	StringIDs       bool // answers have the ids as strings
	Reverse         bool // a batch is answered from its end
	NoWebSocket     bool // upgrades are refused with 400
	Silent          bool // subscriptions are accepted and not served

	// Statistics.
	Posts   int            // HTTP requests and WebSocket messages
	Largest int            // calls in the largest batch that was answered
	Methods map[string]int // calls by method
	Asked   map[uint64]int // calls for whole blocks by number
	Headers []string       // Authorization header of each HTTP request

	mu      sync.Mutex // guards all
	served  *recorded.Chain
	index   index
	sockets map[*socket]struct{}
}

// New makes a node that serves the whole chain.
func New(c *recorded.Chain) *Node {
	return &Node{
		Chain: c, Head: c.Last(), Client: c.Client, Tags: map[string]uint64{}, Sworn: map[string]*recorded.Block{},
		Faults: map[uint64]*Fault{}, Methods: map[string]int{}, Asked: map[uint64]int{},
		sockets: map[*socket]struct{}{},
	}
}

// Do changes or reads the node while it answers nobody. Subscribers are told of
// the heads that it made.
func (n *Node) Do(f func(n *Node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, head := n.Chain, n.Head
	f(n)
	if n.Down {
		for s := range n.sockets {
			s.cut()
		}
	}
	n.announce(before, head)
}

// Count gives the number of calls of a method.
func (n *Node) Count(method string) (count int) {
	n.Do(func(n *Node) { count = n.Methods[method] })
	return count
}

// AskedFor says how often each whole block was asked for.
func (n *Node) AskedFor() (asked map[uint64]int) {
	n.Do(func(n *Node) { asked = maps.Clone(n.Asked) })
	return asked
}

// announce tells subscribers of each block above the last one that the chain
// before has in common with the chain now.
func (n *Node) announce(before *recorded.Chain, head uint64) {
	if n.Silent {
		return
	}
	from := head + 1
	for before != n.Chain && from > 0 {
		old, now := before.Block(from-1), n.Chain.Block(from-1)
		if old != nil && now != nil && old.Hash == now.Hash {
			break
		}
		from--
	}
	for number := from; number <= n.Head && len(n.sockets) > 0; number++ {
		if b := n.Chain.Block(number); b != nil {
			for s := range n.sockets {
				s.announce(header(b))
			}
		}
	}
}

// block gives a block that the node has, or nil.
func (n *Node) block(number uint64) *recorded.Block {
	if number > n.Head {
		return nil
	}
	return n.Chain.Block(number)
}

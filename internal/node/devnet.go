package node

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// IsDevnet recognises the clients of development chains by their
// web3_clientVersion.
func IsDevnet(client string) bool {
	client = strings.ToLower(client)
	for _, name := range []string{"anvil", "hardhat", "ganache", "ethereumjs testrpc"} {
		if strings.HasPrefix(client, name) {
			return true
		}
	}
	return false
}

// IsDevnet reports whether the leader said, when it was last asked who it is,
// that it is a development node.
func (n *Node) IsDevnet() bool {
	lead, _ := n.leader()
	lead.mu.Lock()
	defer lead.mu.Unlock()
	return lead.devnet
}

// A Fork is where a development chain leaves the live one that it was forked
// from: Block is the last one that both have.
type Fork struct {
	Block uint64      `json:"block"`
	Hash  common.Hash `json:"hash"` // zero if the node does not tell
}

// Fork asks whether the chain is a fork of a live one, as anvil and hardhat make
// them, and where it was forked. It is nil for any other chain.
func (n *Node) Fork(ctx context.Context) (*Fork, error) {
	d, err := n.describe(ctx)
	if err != nil {
		return nil, err
	}
	return d.fork, nil
}

// InstanceID asks for the id that anvil and hardhat make anew with every start
// and reset. It is empty for other nodes.
func (n *Node) InstanceID(ctx context.Context) (string, error) {
	d, err := n.describe(ctx)
	if err != nil {
		return "", err
	}
	return d.instance, nil
}

// askDevnet adds what only anvil and hardhat tell. Of the fork's URL, which may
// hold a key, nothing is kept. What they do not answer is left out.
func (e *endpoint) askDevnet(ctx context.Context, d *description) error {
	client := strings.ToLower(d.Client)
	anvil := strings.HasPrefix(client, "anvil")
	if !anvil && !strings.HasPrefix(client, "hardhat") {
		return nil
	}
	metadata, info := newCall("hardhat_metadata"), newCall("anvil_nodeInfo")
	calls := []*call{metadata}
	if anvil {
		calls = append(calls, info)
	}
	if err := e.do(ctx, calls, 1); err != nil {
		return err
	}
	d.readMetadata(metadata)
	if d.fork == nil && anvil {
		d.readInfo(info)
	}
	return e.addForkHash(ctx, d.fork)
}

func (d *description) readMetadata(c *call) {
	var m struct {
		InstanceID    string `json:"instanceId"`
		ForkedNetwork *struct {
			Number json.RawMessage `json:"forkBlockNumber"`
			Hash   common.Hash     `json:"forkBlockHash"`
		} `json:"forkedNetwork"`
	}
	if c.err != nil || json.Unmarshal(c.raw, &m) != nil {
		return
	}
	d.instance = m.InstanceID
	if m.ForkedNetwork == nil {
		return
	}
	if number, err := parseQuantity(m.ForkedNetwork.Number); err == nil {
		d.fork = &Fork{number, m.ForkedNetwork.Hash}
	}
}

func (d *description) readInfo(c *call) {
	var m struct {
		Config struct {
			Number json.RawMessage `json:"forkBlockNumber"`
		} `json:"forkConfig"`
	}
	if c.err != nil || json.Unmarshal(c.raw, &m) != nil {
		return
	}
	if number, err := parseQuantity(m.Config.Number); err == nil {
		d.fork = &Fork{Block: number}
	}
}

// addForkHash asks the node for the fork block's hash if it did not tell it.
func (e *endpoint) addForkHash(ctx context.Context, f *Fork) error {
	if f == nil || f.Hash != (common.Hash{}) {
		return nil
	}
	h, err := e.headerOf(ctx, hex(f.Block))
	if err != nil && !chain.ClassOf(err).OfBlock() || ctx.Err() != nil {
		return err
	}
	if err == nil && h.Number == f.Block {
		f.Hash = h.Hash
	}
	return nil
}

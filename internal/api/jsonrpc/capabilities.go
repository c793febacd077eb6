package jsonrpc

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// capabilities are the answer of eth_capabilities: which blocks can be asked
// about (https://github.com/ethereum/execution-apis/pull/755).
type capabilities struct {
	Head struct {
		Number hexutil.Uint64 `json:"number"`
		Hash   common.Hash    `json:"hash"`
	} `json:"head"`
	State       capability `json:"state"`
	Tx          capability `json:"tx"`
	Logs        capability `json:"logs"`
	Receipts    capability `json:"receipts"`
	Blocks      capability `json:"blocks"`
	StateProofs capability `json:"stateproofs"`
}

// A capability is a kind of data, which is all there from a block on.
type capability struct {
	Disabled bool            `json:"disabled"`
	Oldest   *hexutil.Uint64 `json:"oldestBlock,omitempty"`
}

// Capabilities tells from which block on the file has what. State is the node's,
// of which only the node knows.
func (m *chainMethods) Capabilities(ctx context.Context) (result *capabilities, err error) {
	err = m.file.look(ctx, func(v *view) error {
		start, err := v.Start()
		if err != nil {
			return err
		}
		latest, err := v.latest()
		if err != nil {
			return err
		}
		head, _, err := v.Header(latest)
		if err != nil {
			return err
		}
		result = newCapabilities(hexutil.Uint64(start))
		result.Head.Number, result.Head.Hash = hexutil.Uint64(latest), head.Hash
		return nil
	})
	return result, err
}

func newCapabilities(start hexutil.Uint64) *capabilities {
	all, none := capability{Oldest: &start}, capability{Disabled: true}
	return &capabilities{State: none, Tx: all, Logs: all, Receipts: all, Blocks: all, StateProofs: none}
}

package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/e2e/nodes"
)

// A maker makes transactions on a node, with an account of its own and with
// the node's first.
type maker struct {
	kind    kind
	url     string
	chainID *big.Int
	key     *ecdsa.PrivateKey
	from    common.Address
	node    common.Address // an account that the node signs for
	nonce   uint64
	holding bool // do not wait for receipts
}

func newMaker(ctx context.Context, k kind, url string) (*maker, error) {
	key := crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("gapless capture")))
	m := &maker{kind: k, url: url, key: key, from: crypto.PubkeyToAddress(key.PublicKey)}
	var id hexutil.Big
	var accounts []common.Address
	if err := errors.Join(
		m.call(ctx, &id, "eth_chainId"),
		m.call(ctx, &accounts, "eth_accounts"),
	); err != nil {
		return nil, err
	}
	m.chainID, m.node = id.ToInt(), accounts[0]
	return m, nil
}

// call asks the node; result may be nil.
func (m *maker) call(ctx context.Context, result any, method string, params ...any) error {
	text, err := nodes.Call(ctx, m.url, method, params...)
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// send signs a transaction, has the node make a block of it, and returns its
// receipt. A node that refuses it is no error: it is said, and the receipt is nil.
func (m *maker) send(ctx context.Context, name string, inner types.TxData) (*receipt, error) {
	return m.sendSigned(ctx, name, types.LatestSignerForChainID(m.chainID), inner)
}

func (m *maker) sendSigned(ctx context.Context, name string, signer types.Signer, inner types.TxData) (*receipt, error) {
	tx, err := types.SignNewTx(m.key, signer, inner)
	if err != nil {
		return nil, err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, err
	}
	r, err := m.submit(ctx, name, "eth_sendRawTransaction", hexutil.Bytes(raw))
	if r != nil {
		m.nonce++
	}
	return r, err
}

// ask has the node sign a transaction itself.
func (m *maker) ask(ctx context.Context, name string, request map[string]any) (*receipt, error) {
	if request["gas"] == nil {
		request["gas"] = hexutil.Uint64(5_000_000)
	}
	return m.submit(ctx, name, "eth_sendTransaction", request)
}

func (m *maker) submit(ctx context.Context, name, method string, param any) (*receipt, error) {
	var hash common.Hash
	err := m.call(ctx, &hash, method, param)
	if e, ok := errors.AsType[*nodes.Error](err); ok {
		log.Printf("  refused: %s: %s (%d)", name, e.Message, e.Code)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if m.holding {
		return &receipt{TransactionHash: hash}, nil
	}
	r, err := m.wait(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	log.Printf("  %d.%d %s: type %d status %d", r.BlockNumber, r.TransactionIndex, name, r.Type, r.Status)
	return r, nil
}

// A receipt is what the script itself needs of one.
type receipt struct {
	TransactionHash  common.Hash
	BlockNumber      hexutil.Uint64
	TransactionIndex hexutil.Uint64
	Type, Status     hexutil.Uint64
	ContractAddress  *common.Address
}

func (m *maker) wait(ctx context.Context, hash common.Hash) (*receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		var r *receipt
		err := m.call(ctx, &r, "eth_getTransactionReceipt", hash)
		if r != nil {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no receipt of %v: %w", hash, errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// together makes one block of all that send submits.
func (m *maker) together(ctx context.Context, send func() (last *receipt, err error)) error {
	if !m.kind.automine {
		// The node makes a block each second: begin just after one.
		if err := m.nextBlock(ctx); err != nil {
			return err
		}
	} else if err := m.setAutomine(ctx, false); err != nil {
		return err
	}
	m.holding = true
	last, err := send()
	m.holding = false
	if err != nil {
		return err
	}
	if m.kind.automine {
		if err := errors.Join(m.call(ctx, nil, "evm_mine"), m.setAutomine(ctx, true)); err != nil {
			return err
		}
	}
	_, err = m.wait(ctx, last.TransactionHash)
	return err
}

func (m *maker) setAutomine(ctx context.Context, on bool) error {
	if m.kind.name != "ganache" {
		return m.call(ctx, nil, "evm_setAutomine", on)
	}
	if on {
		return m.call(ctx, nil, "miner_start")
	}
	return m.call(ctx, nil, "miner_stop")
}

// nextBlock returns when there is one more block, an empty one if the node
// makes no others by itself.
func (m *maker) nextBlock(ctx context.Context) error {
	if m.kind.automine {
		return m.call(ctx, nil, "evm_mine")
	}
	var first, now hexutil.Uint64
	if err := m.call(ctx, &first, "eth_blockNumber"); err != nil {
		return err
	}
	for now = first; now == first; time.Sleep(20 * time.Millisecond) {
		if err := m.call(ctx, &now, "eth_blockNumber"); err != nil {
			return err
		}
	}
	return nil
}

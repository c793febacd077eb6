package rest

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A WholeTransaction is a stored transaction with its receipt, but for the
// bloom, and its logs and token transfers. Of a list longer than a page may be,
// it has the first rows.
type WholeTransaction struct {
	Transaction
	BlockHash            common.Hash     `json:"block_hash"`
	Finality             string          `json:"finality,omitempty"` // of the block
	Gas                  uint64          `json:"gas"`                // limit
	BidGasPrice          string          `json:"gas_price,omitempty"`
	MaxFeePerGas         string          `json:"max_fee_per_gas,omitempty"`
	MaxPriorityFeePerGas string          `json:"max_priority_fee_per_gas,omitempty"`
	MaxFeePerBlobGas     string          `json:"max_fee_per_blob_gas,omitempty"`
	Input                hexutil.Bytes   `json:"input"`
	ChainID              string          `json:"chain_id,omitempty"`
	AccessList           json.RawMessage `json:"access_list,omitempty"` // as over JSON-RPC
	BlobHashes           []common.Hash   `json:"blob_versioned_hashes,omitempty"`
	Authorizations       json.RawMessage `json:"authorization_list,omitempty"` // as over JSON-RPC
	V                    string          `json:"v"`                            // decimal
	R                    string          `json:"r"`                            // hex, as over JSON-RPC
	S                    string          `json:"s"`
	YParity              *uint64         `json:"y_parity,omitempty"`
	Extra                json.RawMessage `json:"extra,omitempty"` // what the node gave beyond that, as it gave it

	Root              *common.Hash    `json:"root,omitempty"` // before Byzantium
	CumulativeGasUsed uint64          `json:"cumulative_gas_used"`
	BlobGasUsed       *uint64         `json:"blob_gas_used,omitempty"`
	BlobGasPrice      string          `json:"blob_gas_price,omitempty"`
	ReceiptExtra      json.RawMessage `json:"receipt_extra,omitempty"`

	Written       []Log      `json:"logs"`
	TransferCount int        `json:"transfer_count"`
	Transfers     []Transfer `json:"transfers"`
}

func newWholeTransaction(f *store.Found, finality string) WholeTransaction {
	receipt := &f.Receipt
	v := WholeTransaction{
		Transaction: newTransaction(summaryOf(f)), BlockHash: f.Block.Hash, Finality: finality, Gas: f.Gas,
		BidGasPrice: optDecimal(f.GasPrice), MaxFeePerGas: optDecimal(f.MaxFeePerGas),
		MaxPriorityFeePerGas: optDecimal(f.MaxPriorityFeePerGas), MaxFeePerBlobGas: optDecimal(f.MaxFeePerBlobGas),
		Input: f.Input, ChainID: optDecimal(f.ChainID), AccessList: chain.EncodeAccessList(f.AccessList), BlobHashes: f.BlobVersionedHashes,
		Authorizations: chain.EncodeAuthorizations(f.AuthorizationList),
		V:              f.V.Dec(), R: f.R.Hex(), S: f.S.Hex(), YParity: f.YParity, Extra: f.Extra,
		Root: receipt.Root, CumulativeGasUsed: receipt.CumulativeGasUsed, BlobGasUsed: receipt.BlobGasUsed,
		BlobGasPrice: optDecimal(receipt.BlobGasPrice), ReceiptExtra: receipt.Extra,
		Written: []Log{}, Transfers: []Transfer{},
	}
	for i := range receipt.Logs {
		v.add(f, i)
	}
	return v
}

// summaryOf is what a list says of a transaction.
func summaryOf(f *store.Found) *store.TransactionSummary {
	return &store.TransactionSummary{
		Position: store.Position{Block: f.Block.Number, Index: uint64(f.Index)}, Timestamp: f.Block.Timestamp,
		Hash: f.Hash, Type: f.Type, From: f.From, To: f.To, Contract: f.Receipt.ContractAddress, Value: f.Value, Nonce: f.Nonce,
		GasUsed: f.Receipt.GasUsed, Price: f.Receipt.EffectiveGasPrice, Status: f.Receipt.Status,
		Selector: f.Input[:min(len(f.Input), 4)], Input: len(f.Input), Logs: len(f.Receipt.Logs),
	}
}

// add adds log i of the transaction, and the transfers that it tells of.
func (v *WholeTransaction) add(f *store.Found, i int) {
	log := &f.Receipt.Logs[i]
	at := store.Position{Block: f.Block.Number, Index: uint64(f.FirstLog + i)}
	if len(v.Written) < mostLimit {
		v.Written = append(v.Written, newLog(&store.LogSummary{
			Position: at, Timestamp: f.Block.Timestamp, Transaction: f.Hash, Address: log.Address, Topics: log.Topics,
			Data: log.Data[:min(len(log.Data), store.LogDataShown)], DataBytes: len(log.Data),
		}))
	}
	for _, t := range log.Transfers() {
		v.TransferCount++
		if len(v.Transfers) < mostLimit {
			at.Batch = uint64(t.Batch)
			v.Transfers = append(v.Transfers, newTransfer(&store.TransferSummary{
				Position: at, Timestamp: f.Block.Timestamp, Transaction: f.Hash, Transfer: t,
			}))
		}
	}
}

func (h *Handler) transaction(ctx context.Context, q *question) (any, error) {
	hash := q.pathHash()
	if err := q.done(); err != nil {
		return nil, err
	}
	var v WholeTransaction
	err := h.Store.View(ctx, func(at *store.View) error {
		found, err := at.Transaction(hash, true)
		if err != nil {
			return err
		}
		finality, err := finalityOf(at, found.Block.Number)
		v = newWholeTransaction(found, finality)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, h.unknown(ctx, "transaction", hash.Hex())
	}
	return v, err
}

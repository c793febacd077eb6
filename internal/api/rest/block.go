package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A WholeBlock is a stored block with all of its header but the bloom, and what
// is in it. Of a list longer than a page may be, it has the first rows.
type WholeBlock struct {
	Block
	Finality         string          `json:"finality,omitempty"` // finalized or safe, if the node said so
	UnclesHash       common.Hash     `json:"uncles_hash"`
	StateRoot        common.Hash     `json:"state_root"`
	TransactionsRoot common.Hash     `json:"transactions_root"`
	ReceiptsRoot     common.Hash     `json:"receipts_root"`
	Difficulty       string          `json:"difficulty"`                 // decimal
	TotalDifficulty  string          `json:"total_difficulty,omitempty"` // decimal
	ExtraData        hexutil.Bytes   `json:"extra_data"`
	MixHash          common.Hash     `json:"mix_hash"`
	Nonce            hexutil.Bytes   `json:"nonce"`
	WithdrawalsRoot  *common.Hash    `json:"withdrawals_root,omitempty"`
	BlobGasUsed      *uint64         `json:"blob_gas_used,omitempty"`
	ExcessBlobGas    *uint64         `json:"excess_blob_gas,omitempty"`
	ParentBeaconRoot *common.Hash    `json:"parent_beacon_block_root,omitempty"`
	RequestsHash     *common.Hash    `json:"requests_hash,omitempty"`
	AccessListHash   *common.Hash    `json:"block_access_list_hash,omitempty"`
	SlotNumber       *uint64         `json:"slot_number,omitempty"`
	Extra            json.RawMessage `json:"extra,omitempty"` // what the node gave beyond that, as it gave it
	Hashes           []common.Hash   `json:"transactions"`
	UncleHashes      []common.Hash   `json:"uncles"`
	Withdrawn        []Withdrawal    `json:"withdrawals,omitempty"`
}

// A Withdrawal is one of a block.
type Withdrawal struct {
	Index     uint64         `json:"withdrawal_index"` // of the whole chain
	Validator uint64         `json:"validator_index"`
	Address   common.Address `json:"address"`
	Amount    uint64         `json:"amount"` // gwei
}

func newWholeBlock(s *store.Summary, b *chain.Block, finality string) WholeBlock {
	v := WholeBlock{
		Block: newBlock(s), Finality: finality,
		UnclesHash: b.UnclesHash, StateRoot: b.StateRoot, TransactionsRoot: b.TransactionsRoot, ReceiptsRoot: b.ReceiptsRoot,
		Difficulty: b.Difficulty.Dec(), TotalDifficulty: optDecimal(b.TotalDifficulty),
		ExtraData: b.ExtraData, MixHash: b.MixHash, Nonce: b.Nonce[:],
		WithdrawalsRoot: b.WithdrawalsRoot, BlobGasUsed: b.BlobGasUsed, ExcessBlobGas: b.ExcessBlobGas,
		ParentBeaconRoot: b.ParentBeaconBlockRoot, RequestsHash: b.RequestsHash, AccessListHash: b.BlockAccessListHash,
		SlotNumber: b.SlotNumber, Extra: b.Extra, UncleHashes: b.UncleHashes,
	}
	v.Hashes = make([]common.Hash, min(len(b.Transactions), mostLimit))
	for i := range v.Hashes {
		v.Hashes[i] = b.Transactions[i].Hash
	}
	for _, w := range b.Withdrawals[:min(len(b.Withdrawals), mostLimit)] {
		v.Withdrawn = append(v.Withdrawn, Withdrawal{Index: w.Index, Validator: w.ValidatorIndex, Address: w.Address, Amount: w.Amount})
	}
	return v
}

// optDecimal writes a quantity, nothing if there is none.
func optDecimal(n *uint256.Int) string {
	if n == nil {
		return ""
	}
	return n.Dec()
}

func (h *Handler) block(ctx context.Context, q *question) (any, error) {
	name := q.path("block")
	if err := q.done(); err != nil {
		return nil, err
	}
	var v WholeBlock
	var number uint64
	err := h.Store.View(ctx, func(at *store.View) (err error) {
		if number, err = find(at, name); err != nil {
			return err
		}
		s, err := at.Summary(number)
		if err != nil {
			return err
		}
		b, err := at.Block(number, store.PartHashes)
		if err != nil {
			return err
		}
		finality, err := finalityOf(at, number)
		v = newWholeBlock(s, b, finality)
		return err
	})
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, errUnknownHash):
		return nil, h.unknown(ctx, "block", name)
	case errors.Is(err, store.ErrNotFound):
		return nil, h.absent(ctx, number)
	}
	return nil, err
}

// errUnknownHash: no stored block has the hash that was asked for.
var errUnknownHash = errors.New("no stored block has this hash")

// find gives the number of the block that goes by a name: latest, its number or
// its hash.
func find(at *store.View, name string) (number uint64, err error) {
	if name == "latest" {
		number, err = at.Highest(LastBlock)
		if errors.Is(err, store.ErrNotFound) {
			err = refuse(http.StatusNotFound, "no block is stored yet")
		}
		return number, err
	}
	if number, err = strconv.ParseUint(name, 10, 63); err == nil {
		return number, nil
	}
	hash, ok := parseFixed[common.Hash](name)
	if !ok {
		return 0, refuse(http.StatusBadRequest, "%.80q is no block: that is a number, a hash of 0x and 64 hex digits, or latest", name)
	}
	number, err = at.Number(hash)
	if errors.Is(err, store.ErrNotFound) {
		err = errUnknownHash
	}
	return number, err
}

// finalityOf is what the node said of a block: finalized, safe or nothing.
func finalityOf(at *store.View, number uint64) (string, error) {
	finalized, safe, err := at.Finality()
	switch {
	case err != nil:
		return "", err
	case finalized != nil && number <= finalized.Number:
		return "finalized", nil
	case safe != nil && number <= safe.Number:
		return "safe", nil
	}
	return "", nil
}

// absent says why a block is not stored.
func (h *Handler) absent(ctx context.Context, number uint64) error {
	start, next, err := h.Store.Bounds(ctx)
	switch {
	case err != nil:
		return err
	case next == start:
		return refuse(http.StatusNotFound, "block %d is not indexed: the file has no block yet", number)
	case number < start || number >= next:
		return refuse(http.StatusNotFound, "block %d is not indexed: the file has blocks %d to %d", number, start, next-1)
	}
	row, err := h.Store.Failed(ctx, number)
	if errors.Is(err, store.ErrNotFound) { // it came, or a reorg took it, meanwhile
		return refuse(http.StatusNotFound, "block %d was not there a moment ago: ask again", number)
	}
	if err != nil {
		return err
	}
	missing := NewFailed(row)
	return &refusal{status: http.StatusNotFound, text: missing.String(), missing: &missing}
}

// unknown says that no stored block or transaction has a hash.
func (h *Handler) unknown(ctx context.Context, what, hash string) error {
	missing, err := h.Store.CountMissing(ctx, 0, LastBlock)
	switch {
	case err != nil:
		return err
	case missing == 0:
		return refuse(http.StatusNotFound, "no stored %s has the hash %s", what, hash)
	case missing == 1:
		return refuse(http.StatusNotFound, "no stored %s has the hash %s; it may be in the block that is missing", what, hash)
	}
	return refuse(http.StatusNotFound, "no stored %s has the hash %s; it may be in one of the %d blocks that are missing", what, hash, missing)
}

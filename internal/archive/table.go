package archive

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A Table is a table of the file as it is exported: the columns of the schema
// but for ids, shapes, verdicts and what is not of the chain.
type Table struct {
	Name    string
	columns []string
	rows    func(b *chain.Block, emit func(...any)) // values as in value.go, in the order of columns, then of more
	more    []string                                // columns of Parquet alone
}

// Tables are all tables that can be exported.
var Tables = []Table{
	{"blocks", append([]string{"number"}, append(headerNames,
		"transaction_count", "log_count", "uncle_count", "withdrawal_count")...), blockRows, nil},
	{"uncles", append([]string{"block_number", "position", "number"}, headerNames...), uncleRows, nil},
	{"transactions", []string{
		"block_number", "transaction_index", "hash", "type", "from_address", "to_address", "nonce", "gas", "gas_price",
		"max_fee_per_gas", "max_priority_fee_per_gas", "max_fee_per_blob_gas", "value", "input", "chain_id",
		"access_list", "blob_versioned_hashes", "authorization_list", "v", "r", "s", "y_parity", "extra",
		"status", "root", "cumulative_gas_used", "gas_used", "contract_address", "effective_gas_price",
		"blob_gas_used", "blob_gas_price", "log_count", "receipt_extra"}, transactionRows, nil},
	{"logs", []string{"block_number", "log_index", "transaction_index", "address",
		"topic0", "topic1", "topic2", "topic3", "data", "extra"}, logRows, []string{"transaction_hash"}},
	{"withdrawals", []string{"block_number", "position", "withdrawal_index", "validator_index",
		"address", "amount", "extra"}, withdrawalRows, nil},
	{"transfers", []string{"block_number", "log_index", "batch_index", "standard", "token",
		"from_address", "to_address", "token_id", "amount"}, transferRows, []string{"transaction_index", "transaction_hash"}},
}

// FindTable gives the table of a name.
func FindTable(name string) (Table, error) {
	i := slices.IndexFunc(Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, fmt.Errorf("there is no table %q", name)
	}
	return Tables[i], nil
}

// headerNames are the columns of a header but for its number.
var headerNames = []string{
	"hash", "parent_hash", "uncles_hash", "miner", "state_root", "transactions_root", "receipts_root", "logs_bloom",
	"difficulty", "gas_limit", "gas_used", "timestamp", "extra_data", "mix_hash", "nonce", "base_fee_per_gas",
	"withdrawals_root", "blob_gas_used", "excess_blob_gas", "parent_beacon_block_root", "requests_hash",
	"block_access_list_hash", "slot_number", "size", "total_difficulty", "extra",
}

func headerValues(h *chain.Header) []any {
	return []any{
		h.Hash[:], h.ParentHash[:], h.UnclesHash[:], h.Miner[:], h.StateRoot[:], h.TransactionsRoot[:], h.ReceiptsRoot[:], h.LogsBloom[:],
		&h.Difficulty, h.GasLimit, h.GasUsed, h.Timestamp, h.ExtraData, h.MixHash[:], h.Nonce[:], h.BaseFeePerGas,
		hash(h.WithdrawalsRoot), h.BlobGasUsed, h.ExcessBlobGas, hash(h.ParentBeaconBlockRoot), hash(h.RequestsHash),
		hash(h.BlockAccessListHash), h.SlotNumber, h.Size, h.TotalDifficulty, h.Extra,
	}
}

func blockRows(b *chain.Block, emit func(...any)) {
	logs := 0
	for i := range b.Transactions {
		logs += len(b.Transactions[i].Receipt.Logs)
	}
	var withdrawals *uint64
	if b.Withdrawals != nil {
		n := uint64(len(b.Withdrawals))
		withdrawals = &n
	}
	row := append([]any{b.Number}, headerValues(&b.Header)...)
	emit(append(row, len(b.Transactions), logs, len(b.Uncles), withdrawals)...)
}

func uncleRows(b *chain.Block, emit func(...any)) {
	for i := range b.Uncles {
		emit(append([]any{b.Number, i, b.Uncles[i].Number}, headerValues(&b.Uncles[i])...)...)
	}
}

func transactionRows(b *chain.Block, emit func(...any)) {
	for i := range b.Transactions {
		t := &b.Transactions[i]
		r := &t.Receipt
		emit(b.Number, i, t.Hash[:], t.Type, t.From[:], address(t.To), t.Nonce, t.Gas, t.GasPrice,
			t.MaxFeePerGas, t.MaxPriorityFeePerGas, t.MaxFeePerBlobGas, &t.Value, t.Input, number{t.ChainID},
			chain.EncodeAccessList(t.AccessList), t.BlobVersionedHashes, chain.EncodeAuthorizations(t.AuthorizationList),
			number{&t.V}, word(&t.R), word(&t.S), t.YParity, t.Extra,
			r.Status, hash(r.Root), r.CumulativeGasUsed, r.GasUsed, address(r.ContractAddress), r.EffectiveGasPrice,
			r.BlobGasUsed, r.BlobGasPrice, len(r.Logs), r.Extra)
	}
}

// eachLog calls fn with each log of a block, its index and its transaction's.
func eachLog(b *chain.Block, fn func(log *chain.Log, index, transaction int)) {
	index := 0
	for i := range b.Transactions {
		logs := b.Transactions[i].Receipt.Logs
		for j := range logs {
			fn(&logs[j], index, i)
			index++
		}
	}
}

func logRows(b *chain.Block, emit func(...any)) {
	eachLog(b, func(log *chain.Log, index, transaction int) {
		var topics [4]any
		for i := range log.Topics {
			topics[i] = log.Topics[i][:]
		}
		emit(b.Number, index, transaction, log.Address[:], topics[0], topics[1], topics[2], topics[3], log.Data, log.Extra,
			b.Transactions[transaction].Hash[:])
	})
}

func withdrawalRows(b *chain.Block, emit func(...any)) {
	for i := range b.Withdrawals {
		w := &b.Withdrawals[i]
		emit(b.Number, i, w.Index, w.ValidatorIndex, w.Address[:], w.Amount, w.Extra)
	}
}

func transferRows(b *chain.Block, emit func(...any)) {
	eachLog(b, func(log *chain.Log, index, transaction int) {
		for _, t := range log.Transfers() {
			emit(b.Number, index, t.Batch, int(t.Standard), t.Token[:], t.From[:], t.To[:], t.TokenID, &t.Amount,
				transaction, b.Transactions[transaction].Hash[:])
		}
	})
}

// hash gives the bytes of a hash that may be absent.
func hash(h *common.Hash) any {
	if h == nil {
		return nil
	}
	return h[:]
}

func address(a *common.Address) any {
	if a == nil {
		return nil
	}
	return a[:]
}

package store

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// positionBits is how many bits of a row's id are its position in the block.
const positionBits = 24

// mostNumber is the highest block number whose rows have an id.
const mostNumber = 1<<(63-positionBits) - 1

// lowestNumber is the lowest that an id can have, if somebody else made it.
const lowestNumber = -mostNumber - 1

// rowID is the id of the row at a position inside a block.
func rowID(number uint64, position int) (uint64, error) {
	if position >= 1<<positionBits {
		return 0, fmt.Errorf("position %d does not fit the file", position)
	}
	return number<<positionBits | uint64(position), nil
}

// firstID is the lowest id of a block's rows.
func firstID(number uint64) int64 { return int64(number) << positionBits }

// lastID is the highest.
func lastID(number uint64) int64 { return firstID(number) | (1<<positionBits - 1) }

// A span says in SQL which rows of a table are in the blocks ?1 to ?2, in what
// order they stand in the file, and what their block's number is.
type span struct{ where, order, number string }

// Rows of transactions and logs are found by their id also while the indexes by
// block number are postponed.
var (
	byID    = span{`id BETWEEN ?1 << 24 AND (?2 << 24) + 16777215`, `id`, `id >> 24`}
	byPlace = span{`block_number BETWEEN ?1 AND ?2`, `block_number, position`, `block_number`}
	spans   = map[string]span{
		"blocks": {`number BETWEEN ?1 AND ?2`, `number`, `number`}, "failed_blocks": {byPlace.where, `block_number`, byPlace.number},
		"transactions": byID, "logs": byID, "withdrawals": byPlace, "uncles": byPlace,
		"transfers": {byPlace.where, `block_number, log_index, batch_index`, byPlace.number},
	}
)

// selectSpan is the statement that reads the rows of the blocks ?1 to ?2.
func selectSpan(table string, columns []column) string {
	s := spans[table]
	return selectFrom(table, columns, s.where+" ORDER BY "+s.order)
}

// A derived column follows from the id, which is bound first. To compute it takes
// less than to bind or fetch it, so that only others read it.
type derived struct{ name, sql string }

var derivedColumns = map[string][]derived{
	"transactions": {{"block_number", "?1 >> 24"}, {"transaction_index", "?1 & 16777215"}},
	"logs":         {{"block_number", "?1 >> 24"}, {"log_index", "?1 & 16777215"}},
}

// topicStart is how many bytes of a log's first topic are in topic0_start.
const topicStart = 4

// A blockRow is a row of blocks: the header and what is counted for it.
type blockRow struct {
	chain.Header
	transactions, logs, uncles uint64
	withdrawals                *uint64
	verdict                    chain.Verdict
	indexedAt                  uint64 // unix milliseconds
}

func headerColumns(h *chain.Header) []column {
	return []column{
		{"number", integer{&h.Number}},
		{"hash", fixed(h.Hash[:])},
		{"parent_hash", fixed(h.ParentHash[:])},
		{"uncles_hash", fixed(h.UnclesHash[:])},
		{"miner", fixed(h.Miner[:])},
		{"state_root", fixed(h.StateRoot[:])},
		{"transactions_root", fixed(h.TransactionsRoot[:])},
		{"receipts_root", fixed(h.ReceiptsRoot[:])},
		{"logs_bloom", bloom{&h.LogsBloom}},
		{"difficulty", decimal{&h.Difficulty}},
		{"gas_limit", integer{&h.GasLimit}},
		{"gas_used", integer{&h.GasUsed}},
		{"timestamp", integer{&h.Timestamp}},
		{"extra_data", blob{&h.ExtraData}},
		{"mix_hash", fixed(h.MixHash[:])},
		{"nonce", fixed(h.Nonce[:])},
		{"base_fee_per_gas", optDecimal{&h.BaseFeePerGas}},
		{"withdrawals_root", optFixed[common.Hash]{&h.WithdrawalsRoot}},
		{"blob_gas_used", optInteger{&h.BlobGasUsed}},
		{"excess_blob_gas", optInteger{&h.ExcessBlobGas}},
		{"parent_beacon_block_root", optFixed[common.Hash]{&h.ParentBeaconBlockRoot}},
		{"requests_hash", optFixed[common.Hash]{&h.RequestsHash}},
		{"block_access_list_hash", optFixed[common.Hash]{&h.BlockAccessListHash}},
		{"slot_number", optInteger{&h.SlotNumber}},
		{"size", optInteger{&h.Size}},
		{"total_difficulty", optDecimal{&h.TotalDifficulty}},
		{"shape", integer{&h.Shape}},
		{"extra", text{&h.Extra}},
	}
}

func blockColumns(r *blockRow) []column {
	return append(headerColumns(&r.Header),
		column{"transaction_count", integer{&r.transactions}},
		column{"log_count", integer{&r.logs}},
		column{"uncle_count", integer{&r.uncles}},
		column{"withdrawal_count", optInteger{&r.withdrawals}},
		column{"checks_passed", checks{&r.verdict.Passed}},
		column{"checks_not_computable", checks{&r.verdict.NotComputable}},
		column{"checks_failed", checks{&r.verdict.Failed}},
		column{"indexed_at", integer{&r.indexedAt}},
	)
}

// The row types below have the id or the position beside the value.
type (
	uncleRow struct {
		at Position
		chain.Header
	}
	transactionRow struct {
		id uint64
		chain.Transaction
		bloom *chain.Bloom // nil if it is that of the logs
		logs  uint64
	}
	logRow struct {
		id          uint64
		transaction uint64 // index
		chain.Log
		topics [4]*common.Hash
	}
	withdrawalRow struct {
		at Position
		chain.Withdrawal
	}
	transferRow struct {
		at                    Position
		transaction, standard uint64
		chain.Transfer
	}
)

func uncleColumns(r *uncleRow) []column {
	return append([]column{{"block_number", integer{&r.at.Block}}, {"position", integer{&r.at.Index}}}, headerColumns(&r.Header)...)
}

func transactionColumns(r *transactionRow) []column {
	t, receipt := &r.Transaction, &r.Transaction.Receipt
	return []column{
		{"id", integer{&r.id}},
		{"hash", fixed(t.Hash[:])},
		{"type", integer{&t.Type}},
		{"from_address", fixed(t.From[:])},
		{"to_address", optFixed[common.Address]{&t.To}},
		{"nonce", integer{&t.Nonce}},
		{"gas", integer{&t.Gas}},
		{"gas_price", optDecimal{&t.GasPrice}},
		{"max_fee_per_gas", optDecimal{&t.MaxFeePerGas}},
		{"max_priority_fee_per_gas", optDecimal{&t.MaxPriorityFeePerGas}},
		{"max_fee_per_blob_gas", optDecimal{&t.MaxFeePerBlobGas}},
		{"value", decimal{&t.Value}},
		{"input", blob{&t.Input}},
		{"chain_id", optWide{&t.ChainID}},
		{"access_list", list[chain.AccessTuple]{&t.AccessList, chain.EncodeAccessList, chain.DecodeAccessList}},
		{"blob_versioned_hashes", hashes{&t.BlobVersionedHashes}},
		{"authorization_list", list[chain.Authorization]{&t.AuthorizationList, chain.EncodeAuthorizations, chain.DecodeAuthorizations}},
		{"v", wide{&t.V}},
		{"r", scalar{&t.R}},
		{"s", scalar{&t.S}},
		{"y_parity", optInteger{&t.YParity}},
		{"shape", integer{&t.Shape}},
		{"extra", text{&t.Extra}},
		{"status", optInteger{&receipt.Status}},
		{"root", optFixed[common.Hash]{&receipt.Root}},
		{"cumulative_gas_used", integer{&receipt.CumulativeGasUsed}},
		{"gas_used", integer{&receipt.GasUsed}},
		{"contract_address", optFixed[common.Address]{&receipt.ContractAddress}},
		{"effective_gas_price", optDecimal{&receipt.EffectiveGasPrice}},
		{"blob_gas_used", optInteger{&receipt.BlobGasUsed}},
		{"blob_gas_price", optDecimal{&receipt.BlobGasPrice}},
		{"receipt_logs_bloom", optBloom{&r.bloom}},
		{"log_count", integer{&r.logs}},
		{"receipt_shape", integer{&receipt.Shape}},
		{"receipt_extra", text{&receipt.Extra}},
	}
}

func logColumns(r *logRow) []column {
	return []column{
		{"id", integer{&r.id}},
		{"transaction_index", integer{&r.transaction}},
		{"address", fixed(r.Address[:])},
		{"topic0", optFixed[common.Hash]{&r.topics[0]}},
		{"topic1", optFixed[common.Hash]{&r.topics[1]}},
		{"topic2", optFixed[common.Hash]{&r.topics[2]}},
		{"topic3", optFixed[common.Hash]{&r.topics[3]}},
		{"data", blob{&r.Data}},
		{"shape", integer{&r.Shape}},
		{"extra", text{&r.Extra}},
	}
}

func withdrawalColumns(r *withdrawalRow) []column {
	return []column{
		{"block_number", integer{&r.at.Block}},
		{"position", integer{&r.at.Index}},
		{"withdrawal_index", integer{&r.Index}},
		{"validator_index", integer{&r.ValidatorIndex}},
		{"address", fixed(r.Address[:])},
		{"amount", integer{&r.Amount}},
		{"shape", integer{&r.Shape}},
		{"extra", text{&r.Extra}},
	}
}

func transferColumns(r *transferRow) []column {
	return []column{
		{"block_number", integer{&r.at.Block}},
		{"log_index", integer{&r.at.Index}},
		{"batch_index", integer{&r.at.Batch}},
		{"transaction_index", integer{&r.transaction}},
		{"standard", integer{&r.standard}},
		{"token", fixed(r.Token[:])},
		{"from_address", fixed(r.From[:])},
		{"to_address", fixed(r.To[:])},
		{"token_id", optDecimal{&r.TokenID}},
		{"amount", decimal{&r.Amount}},
	}
}

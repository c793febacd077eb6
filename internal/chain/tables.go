package chain

import (
	"cmp"
	"errors"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/scan"
)

// The standard keys of each object. The order is part of the file format: see
// [field].
var (
	headerFields = []field[Header]{
		needed(fixed("hash", func(h *Header) []byte { return h.Hash[:] })),
		needed(fixed("parentHash", func(h *Header) []byte { return h.ParentHash[:] })),
		fixed("sha3Uncles", func(h *Header) []byte { return h.UnclesHash[:] }),
		fixed("miner", func(h *Header) []byte { return h.Miner[:] }),
		fixed("stateRoot", func(h *Header) []byte { return h.StateRoot[:] }),
		fixed("transactionsRoot", func(h *Header) []byte { return h.TransactionsRoot[:] }),
		fixed("receiptsRoot", func(h *Header) []byte { return h.ReceiptsRoot[:] }),
		fixed("logsBloom", func(h *Header) []byte { return h.LogsBloom[:] }),
		quantity256("difficulty", func(h *Header) *uint256.Int { return &h.Difficulty }),
		needed(quantity("number", func(h *Header) *uint64 { return &h.Number })),
		quantity("gasLimit", func(h *Header) *uint64 { return &h.GasLimit }),
		quantity("gasUsed", func(h *Header) *uint64 { return &h.GasUsed }),
		quantity("timestamp", func(h *Header) *uint64 { return &h.Timestamp }),
		data("extraData", func(h *Header) *[]byte { return &h.ExtraData }),
		fixed("mixHash", func(h *Header) []byte { return h.MixHash[:] }),
		fixed("nonce", func(h *Header) []byte { return h.Nonce[:] }),
		optionalQuantity256("baseFeePerGas", func(h *Header) **uint256.Int { return &h.BaseFeePerGas }),
		optionalHash("withdrawalsRoot", func(h *Header) **common.Hash { return &h.WithdrawalsRoot }),
		optionalQuantity("blobGasUsed", func(h *Header) **uint64 { return &h.BlobGasUsed }),
		optionalQuantity("excessBlobGas", func(h *Header) **uint64 { return &h.ExcessBlobGas }),
		optionalHash("parentBeaconBlockRoot", func(h *Header) **common.Hash { return &h.ParentBeaconBlockRoot }),
		optionalHash("requestsHash", func(h *Header) **common.Hash { return &h.RequestsHash }),
		optionalHash("blockAccessListHash", func(h *Header) **common.Hash { return &h.BlockAccessListHash }),
		optionalQuantity("slotNumber", func(h *Header) **uint64 { return &h.SlotNumber }),
		optionalQuantity("size", func(h *Header) **uint64 { return &h.Size }),
		optionalQuantity256("totalDifficulty", func(h *Header) **uint256.Int { return &h.TotalDifficulty }),
	}

	// What the header's hash is taken of, and the hash.
	hashedFields = tableOf(headerFields[:24])

	headFields = tableOf(neverOmitted(headerFields[:24]))

	// An uncle is answered like a block without transactions.
	uncleFields = tableOf(headerFields, []field[Header]{derivedText[Header]("uncles", "[]")})

	// A header is read from answers that have the rest of the block too.
	headerOnlyFields = tableOf(headerFields, []field[Header]{
		ignored[Header]("transactions"), ignored[Header]("uncles"), ignored[Header]("withdrawals"),
	})

	// The lists inside a block have values of their own; these entries hold
	// what is given for them.
	blockFields = tableOf(lift(headerFields, func(b *Block) *Header { return &b.Header }), []field[Block]{
		{key: "transactions", decode: decodeTransactions, encode: (*Block).appendTransactions},
		{key: "uncles", required: true, decode: decodeUncleHashes, encode: func(b *Block, out []byte) []byte { return appendHashes(out, b.UncleHashes) }},
		{key: "withdrawals", nillable: true, omitted: true, decode: decodeWithdrawals, encode: (*Block).appendWithdrawals},
	})

	// unclesBit is the place of uncles in a block's Shape.
	unclesBit = len(headerFields) + 1

	// blockFieldsHashes is blockFields with hashes for the transactions.
	blockFieldsHashes = withTransactions(blockFields, (*Block).appendTransactionHashes)

	transactionFields = tableOf(lift([]field[Transaction]{
		fixed("hash", func(t *Transaction) []byte { return t.Hash[:] }),
		quantity("type", func(t *Transaction) *uint64 { return &t.Type }),
		fixed("from", func(t *Transaction) []byte { return t.From[:] }),
		optionalAddress("to", func(t *Transaction) **common.Address { return &t.To }),
		quantity("nonce", func(t *Transaction) *uint64 { return &t.Nonce }),
		quantity("gas", func(t *Transaction) *uint64 { return &t.Gas }),
		optionalQuantity256("gasPrice", func(t *Transaction) **uint256.Int { return &t.GasPrice }),
		optionalQuantity256("maxFeePerGas", func(t *Transaction) **uint256.Int { return &t.MaxFeePerGas }),
		optionalQuantity256("maxPriorityFeePerGas", func(t *Transaction) **uint256.Int { return &t.MaxPriorityFeePerGas }),
		optionalQuantity256("maxFeePerBlobGas", func(t *Transaction) **uint256.Int { return &t.MaxFeePerBlobGas }),
		quantity256("value", func(t *Transaction) *uint256.Int { return &t.Value }),
		data("input", func(t *Transaction) *[]byte { return &t.Input }),
		inColumn(optionalQuantity256("chainId", func(t *Transaction) **uint256.Int { return &t.ChainID }),
			func(t *Transaction) *uint256.Int { return t.ChainID }),
		list("accessList", accessTupleFields, func(t *Transaction) *[]AccessTuple { return &t.AccessList }),
		hashList("blobVersionedHashes", func(t *Transaction) *[]common.Hash { return &t.BlobVersionedHashes }),
		list("authorizationList", authorizationFields, func(t *Transaction) *[]Authorization { return &t.AuthorizationList }),
		inColumn(quantity256("v", func(t *Transaction) *uint256.Int { return &t.V }),
			func(t *Transaction) *uint256.Int { return &t.V }),
		quantity256("r", func(t *Transaction) *uint256.Int { return &t.R }),
		quantity256("s", func(t *Transaction) *uint256.Int { return &t.S }),
		optionalQuantity("yParity", func(t *Transaction) **uint64 { return &t.YParity }),
	}, (*transactionView).transaction), []field[transactionView]{
		derivedBytes("blockHash", func(v *transactionView) []byte { return v.block.Hash[:] }),
		derivedQuantity("blockNumber", func(v *transactionView) uint64 { return v.block.Number }),
		derivedQuantity("blockTimestamp", func(v *transactionView) uint64 { return v.block.Timestamp }),
		derivedQuantity("transactionIndex", func(v *transactionView) uint64 { return uint64(v.index) }),
	}, depositFields)

	receiptFields = tableOf(lift([]field[Receipt]{
		optionalQuantity("status", func(r *Receipt) **uint64 { return &r.Status }),
		optionalHash("root", func(r *Receipt) **common.Hash { return &r.Root }),
		quantity("cumulativeGasUsed", func(r *Receipt) *uint64 { return &r.CumulativeGasUsed }),
		quantity("gasUsed", func(r *Receipt) *uint64 { return &r.GasUsed }),
		optionalAddress("contractAddress", func(r *Receipt) **common.Address { return &r.ContractAddress }),
		optionalQuantity256("effectiveGasPrice", func(r *Receipt) **uint256.Int { return &r.EffectiveGasPrice }),
		optionalQuantity("blobGasUsed", func(r *Receipt) **uint64 { return &r.BlobGasUsed }),
		optionalQuantity256("blobGasPrice", func(r *Receipt) **uint256.Int { return &r.BlobGasPrice }),
		{key: "logsBloom", decode: decodeReceiptBloom, encode: (*Receipt).appendBloom},
	}, (*transactionView).receipt), []field[transactionView]{
		{key: "logs", decode: decodeLogs, encode: (*transactionView).appendLogs},
		derivedBytes("blockHash", func(v *transactionView) []byte { return v.block.Hash[:] }),
		derivedQuantity("blockNumber", func(v *transactionView) uint64 { return v.block.Number }),
		derivedBytes("transactionHash", func(v *transactionView) []byte { return v.tx.Hash[:] }),
		derivedQuantity("transactionIndex", func(v *transactionView) uint64 { return uint64(v.index) }),
		derivedBytes("from", func(v *transactionView) []byte { return v.tx.From[:] }),
		derivedTo(),
		derivedQuantity("type", func(v *transactionView) uint64 { return v.tx.Type }),
		derivedQuantity("blockTimestamp", func(v *transactionView) uint64 { return v.block.Timestamp }).omitNil(), // anvil
	}, depositReceiptFields, rollupReceiptFields)

	logFields = tableOf(lift([]field[Log]{
		fixed("address", func(l *Log) []byte { return l.Address[:] }),
		topics("topics", func(l *Log) *[]common.Hash { return &l.Topics }),
		data("data", func(l *Log) *[]byte { return &l.Data }),
	}, func(v *logView) *Log { return v.log }), []field[logView]{
		derivedBytes("blockHash", func(v *logView) []byte { return v.block.Hash[:] }),
		derivedQuantity("blockNumber", func(v *logView) uint64 { return v.block.Number }),
		derivedQuantity("blockTimestamp", func(v *logView) uint64 { return v.block.Timestamp }),
		derivedBytes("transactionHash", func(v *logView) []byte { return v.tx.Hash[:] }),
		derivedQuantity("transactionIndex", func(v *logView) uint64 { return uint64(v.index) }),
		derivedQuantity("logIndex", func(v *logView) uint64 { return uint64(v.logIndex) }),
		derivedBool("removed", func(v *logView) bool { return v.removed }),
	})

	withdrawalFields = tableOf([]field[Withdrawal]{
		quantity("index", func(w *Withdrawal) *uint64 { return &w.Index }),
		quantity("validatorIndex", func(w *Withdrawal) *uint64 { return &w.ValidatorIndex }),
		fixed("address", func(w *Withdrawal) []byte { return w.Address[:] }),
		quantity("amount", func(w *Withdrawal) *uint64 { return &w.Amount }),
	})

	accessTupleFields = tableOf([]field[AccessTuple]{
		fixed("address", func(t *AccessTuple) []byte { return t.Address[:] }),
		topics("storageKeys", func(t *AccessTuple) *[]common.Hash { return &t.StorageKeys }),
	})

	authorizationFields = tableOf([]field[Authorization]{
		quantity256("chainId", func(a *Authorization) *uint256.Int { return &a.ChainID }),
		fixed("address", func(a *Authorization) []byte { return a.Address[:] }),
		quantity("nonce", func(a *Authorization) *uint64 { return &a.Nonce }),
		quantity("yParity", func(a *Authorization) *uint64 { return &a.YParity }),
		quantity256("r", func(a *Authorization) *uint256.Int { return &a.R }),
		quantity256("s", func(a *Authorization) *uint256.Int { return &a.S }),
	})
)

// A transactionView is a transaction with the block around it, from which its
// derived keys follow.
type transactionView struct {
	block *Block
	tx    *Transaction
	index int
	logs  int // log index of the transaction's first log
}

func (v *transactionView) transaction() *Transaction { return v.tx }
func (v *transactionView) receipt() *Receipt         { return &v.tx.Receipt }

// A logView is a log with what is around it.
type logView struct {
	transactionView
	log      *Log
	logIndex int // in the block
	removed  bool
}

func ignored[T any](key string) field[T] {
	return field[T]{key: key, decode: func(*decoder, *T, scan.Value) (bool, error) { return true, nil }}
}

// topics is an array of hashes that is always there.
func topics[T any](key string, at func(*T) *[]common.Hash) field[T] {
	f := hashList(key, at)
	f.nillable, f.omitted, f.required = false, false, true
	f.encode = func(t *T, out []byte) []byte { return appendHashes(out, *at(t)) }
	return f
}

// list is an array of plain objects inside a transaction; nil if absent.
func list[T, E any](key string, fields *table[E], at func(*T) *[]E) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			items, exact, err := parseList(d, value, fields)
			if err == nil || errors.Is(err, errUnknownKey) || errors.Is(err, errIncomplete) {
				*at(t) = items
			}
			return exact, err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return appendList(out, fields, *at(t))
		},
	}
}

// errUnknownKey marks a list that was read but for what is unknown in it, and
// errIncomplete one that was read but for what can't be, or is not there.
var (
	errUnknownKey = errors.New("unknown key or value in a list")
	errIncomplete = errors.New("a key in a list is absent, or its value can't be read")
)

// parseList reads an array of objects. exact is false if one of them has more
// or less than its standard keys. With [errUnknownKey] and [errIncomplete] it
// gives the items too.
func parseList[E any](d *decoder, list scan.Value, fields *table[E]) (items []E, exact bool, err error) {
	found, err := d.elements(list)
	if err != nil {
		return nil, false, err
	}
	defer d.drop(found)
	items, exact = make([]E, len(found)), true
	var odd error
	for i, element := range found {
		var o Object
		if err := decodeObject(d, element, fields, &items[i], &o); err != nil {
			return nil, false, err
		}
		exact = exact && o.Shape == 0 && o.Extra == nil
		odd = cmp.Or(odd, fields.oddity(&o))
	}
	return items, exact, odd
}

// oddity says what is odd about an object in a list.
func (t *table[T]) oddity(o *Object) error {
	switch {
	case o.spoiled != "" || o.Shape&t.required != 0:
		return errIncomplete
	case o.unknown:
		return errUnknownKey
	}
	return nil
}

func appendList[E any](out []byte, fields *table[E], items []E) []byte {
	out = append(out, '[')
	for i := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendObject(out, fields, &items[i], &Object{})
	}
	return append(out, ']')
}

// withTransactions gives the table with another form of the transactions.
func withTransactions(t *table[Block], encode func(*Block, []byte) []byte) *table[Block] {
	changed := slices.Clone(t.fields)
	for i := range changed {
		if changed[i].key == "transactions" {
			changed[i].encode = encode
		}
	}
	return tableOf(changed)
}

// neverOmitted gives the table with null for values that are nil.
func neverOmitted[T any](fields []field[T]) []field[T] {
	changed := slices.Clone(fields)
	for i := range changed {
		changed[i].omitted = false
	}
	return changed
}

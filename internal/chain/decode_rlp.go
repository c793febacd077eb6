package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// DecodeRLP makes a block of its RLP, as [Block.AppendRLP] writes it, and of a
// list of its receipts ([Block.AppendReceiptBinary]) as nodes exchange them: a
// typed one is a string. The block is what a current geth would answer: what the
// two do not hold is derived from them. A blob gas price that depends on the
// chain's schedule is left out. Deposits can't be read. An error is of class
// [Invalid].
func DecodeRLP(block, receipts []byte) (*Block, error) {
	b, err := parseBlock(block)
	if err != nil {
		return nil, invalid(fmt.Errorf("block: %w", err))
	}
	if err := b.parseReceipts(receipts); err != nil {
		return nil, invalid(fmt.Errorf("block %d: receipts: %w", b.Number, err))
	}
	b.derive()
	return b.asAnswered()
}

// asAnswered passes the block through the form in which a node gives it, so that
// nothing is kept otherwise than if one had.
func (b *Block) asAnswered() (*Block, error) {
	again, err := DecodeBlock(b.AppendBlock(nil, true))
	if err != nil {
		return nil, err
	}
	if err := again.DecodeReceipts(b.AppendReceipts(nil)); err != nil {
		return nil, err
	}
	uncles := make([]json.RawMessage, len(b.Uncles))
	for i := range b.Uncles {
		uncles[i] = b.AppendUncle(nil, i)
	}
	return again, again.DecodeUncles(uncles)
}

func parseBlock(raw []byte) (*Block, error) {
	b := new(Block)
	outer := rlpReader{rest: raw}
	in := outer.list()
	outer.end()
	b.Header = in.header()
	transactions := in.list()
	uncles := in.list()
	for transactions.more() {
		tx, err := transactions.transaction()
		if err != nil {
			return nil, fmt.Errorf("transaction %d: %w", len(b.Transactions), err)
		}
		b.Transactions = append(b.Transactions, tx)
	}
	for uncles.more() {
		uncle := uncles.header()
		size := listSize(uint64(headerSize(&uncle)) + 2) // of a block without transactions and uncles
		uncle.Size = &size
		b.Uncles = append(b.Uncles, uncle)
		b.UncleHashes = append(b.UncleHashes, uncle.Hash)
	}
	if in.more() {
		withdrawals := in.list()
		b.Withdrawals = []Withdrawal{}
		for withdrawals.more() {
			b.Withdrawals = append(b.Withdrawals, withdrawals.withdrawal())
		}
		in.fail(withdrawals.err)
	}
	in.end()
	size := uint64(len(raw))
	b.Size = &size
	return b, errors.Join(outer.err, transactions.err, uncles.err, in.err)
}

func headerSize(h *Header) int { return len(appendRLP(nil, h.writeTo)) }

// listSize is the length of an RLP list of so many bytes.
func listSize(payload uint64) uint64 { return rlp.ListSize(payload) }

func (r *rlpReader) header() (h Header) {
	before := r.rest
	in := r.list()
	in.fixed(h.ParentHash[:])
	in.fixed(h.UnclesHash[:])
	in.fixed(h.Miner[:])
	in.fixed(h.StateRoot[:])
	in.fixed(h.TransactionsRoot[:])
	in.fixed(h.ReceiptsRoot[:])
	in.fixed(h.LogsBloom[:])
	h.Difficulty = in.quantity()
	h.Number = in.uint()
	h.GasLimit = in.uint()
	h.GasUsed = in.uint()
	h.Timestamp = in.uint()
	h.ExtraData = in.bytes()
	in.fixed(h.MixHash[:])
	in.fixed(h.Nonce[:])
	in.forkFields(&h)
	in.end()
	r.fail(in.err)
	h.Hash = crypto.Keccak256Hash(before[:len(before)-len(r.rest)])
	return h
}

// forkFields reads what forks added, as far as it is there.
func (r *rlpReader) forkFields(h *Header) {
	for _, read := range []func(){
		func() { v := r.quantity(); h.BaseFeePerGas = &v },
		func() { h.WithdrawalsRoot = r.hash() },
		func() { v := r.uint(); h.BlobGasUsed = &v },
		func() { v := r.uint(); h.ExcessBlobGas = &v },
		func() { h.ParentBeaconBlockRoot = r.hash() },
		func() { h.RequestsHash = r.hash() },
		func() { h.BlockAccessListHash = r.hash() },
		func() { v := r.uint(); h.SlotNumber = &v },
	} {
		if r.more() {
			read()
		}
	}
}

func (r *rlpReader) withdrawal() (w Withdrawal) {
	in := r.list()
	w.Index = in.uint()
	w.ValidatorIndex = in.uint()
	in.fixed(w.Address[:])
	w.Amount = in.uint()
	in.end()
	r.fail(in.err)
	return w
}

// transaction reads one as a block's list has it.
func (r *rlpReader) transaction() (t Transaction, err error) {
	txType, encoded, in := r.typed()
	t.Type = txType
	if txType > setCodeType {
		return t, errors.Join(r.err, fmt.Errorf("type %d can't be read from RLP", txType))
	}
	in.transactionFields(&t)
	t.V, t.R, t.S = in.quantity(), in.quantity(), in.quantity()
	in.end()
	t.Hash = crypto.Keccak256Hash(encoded)
	return t, errors.Join(r.err, in.err)
}

// typed reads what is a list or, after its type, a list in a string (EIP-2718).
// encoded is what its hash is taken of.
func (r *rlpReader) typed() (itemType uint64, encoded []byte, in rlpReader) {
	before := r.rest
	if len(before) > 0 && before[0] >= 0xc0 {
		in = r.list()
		return legacyType, before[:len(before)-len(r.rest)], in
	}
	encoded = r.bytes()
	if len(encoded) == 0 {
		r.fail(errors.New("neither a list nor a type with one"))
		return 0, nil, in
	}
	typed := rlpReader{rest: encoded[1:]}
	in = typed.list()
	typed.end()
	r.fail(typed.err)
	return uint64(encoded[0]), encoded, in
}

// transactionFields reads the fields before the signature, in the order of the
// type.
func (r *rlpReader) transactionFields(t *Transaction) {
	if t.Type != legacyType {
		t.ChainID = r.optional()
	}
	t.Nonce = r.uint()
	if t.Type >= dynamicFeeType {
		t.MaxPriorityFeePerGas, t.MaxFeePerGas = r.optional(), r.optional()
	} else {
		t.GasPrice = r.optional()
	}
	t.Gas = r.uint()
	t.To = r.address()
	t.Value = r.quantity()
	t.Input = r.bytes()
	if t.Type == legacyType {
		return
	}
	t.AccessList = r.accessList()
	switch t.Type {
	case blobType:
		t.MaxFeePerBlobGas = r.optional()
		t.BlobVersionedHashes = r.hashes()
	case setCodeType:
		t.AuthorizationList = r.authorizations()
	}
}

func (r *rlpReader) accessList() []AccessTuple {
	list := []AccessTuple{}
	in := r.list()
	for in.more() {
		tuple := in.list()
		var a AccessTuple
		tuple.fixed(a.Address[:])
		a.StorageKeys = tuple.hashes()
		tuple.end()
		in.fail(tuple.err)
		list = append(list, a)
	}
	r.fail(in.err)
	return list
}

func (r *rlpReader) authorizations() []Authorization {
	list := []Authorization{}
	in := r.list()
	for in.more() {
		tuple := in.list()
		var a Authorization
		a.ChainID = tuple.quantity()
		tuple.fixed(a.Address[:])
		a.Nonce = tuple.uint()
		a.YParity = tuple.uint()
		a.R, a.S = tuple.quantity(), tuple.quantity()
		tuple.end()
		in.fail(tuple.err)
		list = append(list, a)
	}
	r.fail(in.err)
	return list
}

// parseReceipts adds the receipts to the transactions.
func (b *Block) parseReceipts(raw []byte) error {
	outer := rlpReader{rest: raw}
	in := outer.list()
	outer.end()
	if outer.err != nil {
		return outer.err
	}
	for i := range b.Transactions {
		if !in.more() {
			return errors.Join(in.err, fmt.Errorf("%d for %d transactions", i, len(b.Transactions)))
		}
		itemType, _, receipt := in.typed()
		if in.err == nil && itemType != b.Transactions[i].Type {
			return fmt.Errorf("%d is of type %d, its transaction of type %d", i, itemType, b.Transactions[i].Type)
		}
		b.Transactions[i].Receipt = receipt.receipt()
		receipt.end()
		if err := errors.Join(in.err, receipt.err); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	if in.more() {
		return fmt.Errorf("more than %d transactions", len(b.Transactions))
	}
	return in.err
}

func (r *rlpReader) receipt() (receipt Receipt) {
	switch outcome := r.bytes(); {
	case len(outcome) == common.HashLength:
		root := common.BytesToHash(outcome)
		receipt.Root = &root
	case len(outcome) == 0:
		receipt.Status = new(uint64)
	case len(outcome) == 1 && outcome[0] == 1:
		one := uint64(1)
		receipt.Status = &one
	default:
		r.fail(fmt.Errorf("neither status nor state root: %.40x", outcome))
	}
	receipt.CumulativeGasUsed = r.uint()
	receipt.LogsBloom = new(Bloom)
	r.fixed(receipt.LogsBloom[:])
	logs := r.list()
	for logs.more() {
		in := logs.list()
		var log Log
		in.fixed(log.Address[:])
		log.Topics = in.hashes()
		log.Data = in.bytes()
		in.end()
		logs.fail(in.err)
		receipt.Logs = append(receipt.Logs, log)
	}
	r.fail(logs.err)
	return receipt
}

// derive sets what the consensus encodings leave out because it follows from
// what they hold.
func (b *Block) derive() {
	blobGasPrice := b.blobGasPrice()
	before := uint64(0)
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		r := &tx.Receipt
		parity, chainID := tx.recovery()
		if tx.Type == legacyType {
			tx.ChainID = chainID
		} else {
			tx.YParity = &parity
		}
		tx.From, _ = tx.sender() // zero if the signature is not valid, which Verify tells
		r.EffectiveGasPrice = tx.pricePaid(b.BaseFeePerGas)
		tx.GasPrice = r.EffectiveGasPrice
		r.GasUsed = r.CumulativeGasUsed - before
		before = r.CumulativeGasUsed
		if tx.To == nil {
			address := crypto.CreateAddress(tx.From, tx.Nonce)
			r.ContractAddress = &address
		}
		if tx.Type == blobType {
			used := gasPerBlob * uint64(len(tx.BlobVersionedHashes))
			r.BlobGasUsed, r.BlobGasPrice = &used, blobGasPrice
		}
	}
}

// cancunFraction is how slowly the price of blob gas grows before Prague
// (EIP-4844). Later it depends on the chain's schedule (EIP-7840), and grows more
// slowly.
const cancunFraction = 3338477

// blobGasPrice is the price of blob gas in wei, nil if the block does not tell.
func (b *Block) blobGasPrice() *uint256.Int {
	if b.ExcessBlobGas == nil || *b.ExcessBlobGas > 170*cancunFraction { // e^170 is near 2^256
		return nil
	}
	price, _ := uint256.FromBig(exponential(*b.ExcessBlobGas, cancunFraction))
	if b.RequestsHash != nil && price.GtUint64(1) { // 1 is the least there is
		return nil
	}
	return price
}

// exponential approximates e^(numerator/denominator) as EIP-4844 does
// (fake_exponential).
func exponential(numerator, denominator uint64) *big.Int {
	n, d := new(big.Int).SetUint64(numerator), new(big.Int).SetUint64(denominator)
	sum, term := new(big.Int), new(big.Int).Set(d)
	for i := int64(1); term.Sign() > 0; i++ {
		sum.Add(sum, term)
		term.Mul(term, n).Div(term, d).Div(term, big.NewInt(i))
	}
	return sum.Div(sum, d)
}

package devchain

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"gapless/internal/node/recorded"
)

// Marshal gives the answers of geth for a block and its receipts, whose derived
// fields (hashes, indexes, gas, prices) must be set. The chain id is that of
// its signatures.
func Marshal(b *types.Block, receipts types.Receipts, chainID *big.Int) (recorded.Block, error) {
	block, err := json.Marshal(blockFields(b, chainID))
	if err != nil {
		return recorded.Block{}, fmt.Errorf("devchain: block %d: %w", b.NumberU64(), err)
	}
	signer := types.LatestSignerForChainID(chainID)
	items := make([]map[string]any, len(receipts))
	for i, r := range receipts {
		items[i] = receiptFields(b, r, i, signer)
	}
	answer, err := json.Marshal(items)
	if err != nil {
		return recorded.Block{}, fmt.Errorf("devchain: receipts of %d: %w", b.NumberU64(), err)
	}
	var uncles []json.RawMessage
	for _, uncle := range b.Uncles() {
		fields := headerFields(uncle)
		fields["size"] = hexutil.Uint64(types.NewBlockWithHeader(uncle).Size())
		fields["uncles"] = []common.Hash{}
		raw, err := json.Marshal(fields)
		if err != nil {
			return recorded.Block{}, fmt.Errorf("devchain: uncle of %d: %w", b.NumberU64(), err)
		}
		uncles = append(uncles, raw)
	}
	return recorded.NewBlock(block, answer, uncles)
}

// headerFields does what geth's RPCMarshalHeader does.
func headerFields(h *types.Header) map[string]any {
	fields := map[string]any{
		"number": (*hexutil.Big)(h.Number), "hash": h.Hash(), "parentHash": h.ParentHash,
		"nonce": h.Nonce, "mixHash": h.MixDigest, "sha3Uncles": h.UncleHash, "logsBloom": h.Bloom,
		"stateRoot": h.Root, "miner": h.Coinbase, "difficulty": (*hexutil.Big)(h.Difficulty),
		"extraData": hexutil.Bytes(h.Extra), "gasLimit": hexutil.Uint64(h.GasLimit),
		"gasUsed": hexutil.Uint64(h.GasUsed), "timestamp": hexutil.Uint64(h.Time),
		"transactionsRoot": h.TxHash, "receiptsRoot": h.ReceiptHash,
	}
	if h.BaseFee != nil {
		fields["baseFeePerGas"] = (*hexutil.Big)(h.BaseFee)
	}
	hashes := map[string]*common.Hash{
		"withdrawalsRoot": h.WithdrawalsHash, "parentBeaconBlockRoot": h.ParentBeaconRoot,
		"requestsHash": h.RequestsHash, "blockAccessListHash": h.BlockAccessListHash,
	}
	for key, hash := range hashes {
		if hash != nil {
			fields[key] = hash
		}
	}
	quantities := map[string]*uint64{
		"blobGasUsed": h.BlobGasUsed, "excessBlobGas": h.ExcessBlobGas, "slotNumber": h.SlotNumber,
	}
	for key, v := range quantities {
		if v != nil {
			fields[key] = hexutil.Uint64(*v)
		}
	}
	return fields
}

// blockFields does what geth's RPCMarshalBlock does with full transactions.
func blockFields(b *types.Block, chainID *big.Int) map[string]any {
	fields := headerFields(b.Header())
	fields["size"] = hexutil.Uint64(b.Size())
	transactions := make([]map[string]any, len(b.Transactions()))
	for i := range transactions {
		transactions[i] = transactionFields(b, i, chainID)
	}
	fields["transactions"] = transactions
	uncles := make([]common.Hash, len(b.Uncles()))
	for i, uncle := range b.Uncles() {
		uncles[i] = uncle.Hash()
	}
	fields["uncles"] = uncles
	if b.Withdrawals() != nil {
		fields["withdrawals"] = b.Withdrawals()
	}
	return fields
}

// transactionFields does what geth's newRPCTransaction does.
func transactionFields(b *types.Block, i int, chainID *big.Int) map[string]any {
	tx := b.Transactions()[i]
	from, _ := types.Sender(types.LatestSignerForChainID(chainID), tx)
	v, r, s := tx.RawSignatureValues()
	fields := map[string]any{
		"blockHash": b.Hash(), "blockNumber": (*hexutil.Big)(b.Number()),
		"blockTimestamp": hexutil.Uint64(b.Time()), "transactionIndex": hexutil.Uint64(i),
		"type": hexutil.Uint64(tx.Type()), "from": from, "gas": hexutil.Uint64(tx.Gas()),
		"gasPrice": (*hexutil.Big)(tx.GasPrice()), "hash": tx.Hash(), "input": hexutil.Bytes(tx.Data()),
		"nonce": hexutil.Uint64(tx.Nonce()), "to": tx.To(), "value": (*hexutil.Big)(tx.Value()),
		"v": (*hexutil.Big)(v), "r": (*hexutil.Big)(r), "s": (*hexutil.Big)(s),
	}
	if tx.Type() == types.LegacyTxType {
		if id := tx.ChainId(); id.Sign() != 0 {
			fields["chainId"] = (*hexutil.Big)(id)
		}
		return fields
	}
	fields["accessList"] = tx.AccessList()
	fields["chainId"] = (*hexutil.Big)(tx.ChainId())
	fields["yParity"] = hexutil.Uint64(v.Sign())
	if tx.Type() == types.AccessListTxType {
		return fields
	}
	fields["maxFeePerGas"] = (*hexutil.Big)(tx.GasFeeCap())
	fields["maxPriorityFeePerGas"] = (*hexutil.Big)(tx.GasTipCap())
	fields["gasPrice"] = (*hexutil.Big)(pricePaid(tx, b.BaseFee()))
	switch tx.Type() {
	case types.BlobTxType:
		fields["maxFeePerBlobGas"] = (*hexutil.Big)(tx.BlobGasFeeCap())
		fields["blobVersionedHashes"] = tx.BlobHashes()
	case types.SetCodeTxType:
		fields["authorizationList"] = tx.SetCodeAuthorizations()
	}
	return fields
}

func pricePaid(tx *types.Transaction, baseFee *big.Int) *big.Int {
	if baseFee == nil {
		return tx.GasPrice()
	}
	price := new(big.Int).Add(tx.GasTipCap(), baseFee)
	if price.Cmp(tx.GasFeeCap()) > 0 {
		return tx.GasFeeCap()
	}
	return price
}

// receiptFields does what geth's MarshalReceipt does.
func receiptFields(b *types.Block, r *types.Receipt, i int, signer types.Signer) map[string]any {
	tx := b.Transactions()[i]
	from, _ := types.Sender(signer, tx)
	fields := map[string]any{
		"blockHash": b.Hash(), "blockNumber": hexutil.Uint64(b.NumberU64()),
		"transactionHash": tx.Hash(), "transactionIndex": hexutil.Uint64(i),
		"from": from, "to": tx.To(), "gasUsed": hexutil.Uint64(r.GasUsed),
		"cumulativeGasUsed": hexutil.Uint64(r.CumulativeGasUsed), "contractAddress": nil,
		"logs": r.Logs, "logsBloom": r.Bloom, "type": hexutil.Uint(tx.Type()),
		"effectiveGasPrice": (*hexutil.Big)(r.EffectiveGasPrice),
	}
	if len(r.PostState) > 0 {
		fields["root"] = hexutil.Bytes(r.PostState)
	} else {
		fields["status"] = hexutil.Uint(r.Status)
	}
	if r.Logs == nil {
		fields["logs"] = []*types.Log{}
	}
	if tx.Type() == types.BlobTxType {
		fields["blobGasUsed"] = hexutil.Uint64(r.BlobGasUsed)
		fields["blobGasPrice"] = (*hexutil.Big)(r.BlobGasPrice)
	}
	if r.ContractAddress != (common.Address{}) {
		fields["contractAddress"] = r.ContractAddress
	}
	return fields
}

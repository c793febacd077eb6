package pages

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

const (
	inputShown = 1024 // bytes of a transaction's input on its page
	logsShown  = 50   // on its page, and as many transfers
	dataShown  = 512  // bytes of a log's data
)

// A transactionView is one transaction with what came of it.
type transactionView struct {
	*chain.Transaction
	Block         store.Summary
	Index         int
	Confirmations uint64
	Call          *call // what the input says; nil if nothing known has its selector
	Logs          []logView
	FirstShown    int // of the logs, counted from 0 in this transaction
	Earlier       string
	Later         string // URLs of other logs; empty where there are none
	Transfers     []transferView
	MoreTransfers int
	InputBytes    int
	InputStart    []byte // what is shown of the input
}

// A logView is a log with what it says.
type logView struct {
	*chain.Log
	Index     int
	Event     *call // nil if no known event fits it
	DataStart []byte
}

type transferView struct {
	chain.Transfer
	LogIndex int
	Named    *tokenName // nil if what the token says of itself is not known
}

func (h *Handler) transaction(r *http.Request) (view, error) {
	hash, ok := parseHash(r.PathValue("hash"))
	if !ok {
		return view{}, badRequest("%s is not a hash: that is 0x and 64 hex digits.", plain(r.PathValue("hash")))
	}
	found, err := h.findTransaction(r, hash)
	if err != nil {
		return view{}, err
	}
	_, next, err := h.bounds(r.Context())
	if err != nil {
		return view{}, err
	}
	number := found.Block.Number
	blocks, err := h.store().Summaries(r.Context(), store.Range{From: number, To: number, Limit: 1})
	if err != nil {
		return view{}, err
	}
	if len(blocks) == 0 { // a reorg took it meanwhile
		return view{}, notFound("No stored transaction has the hash %s any more.", hash)
	}
	v := transactionView{
		Transaction: &found.Transaction, Block: blocks[0], Index: found.Index, Confirmations: max(next, number) - number,
		InputBytes: len(found.Input), InputStart: found.Input[:min(len(found.Input), inputShown)],
	}
	if v.FirstShown, err = firstShown(r, len(found.Receipt.Logs)); err != nil {
		return view{}, err
	}
	v.read(r, h.names.Load().signatures, found.FirstLog)
	v.Transfers, v.MoreTransfers = h.transferViews(r.Context(), found.Receipt.Logs, found.FirstLog)
	return view{
		template: "transaction.html", title: "Transaction " + short(hash.Hex()), content: &v, of: blocks[0].Hash.Hex(),
	}, nil
}

func (h *Handler) findTransaction(r *http.Request, hash common.Hash) (found *store.Found, err error) {
	err = h.store().View(r.Context(), func(v *store.View) (err error) {
		found, err = v.Transaction(hash, true)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, &notice{status: http.StatusNotFound, Title: "Not found", Text: h.explainSearch(r, hash.Hex())}
	}
	return found, err
}

// firstShown reads logs=, the first of so many logs that is shown.
func firstShown(r *http.Request, logs int) (int, error) {
	text := r.URL.Query().Get("logs")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, badRequest("%s is not a place in a list", plain(text))
	}
	return min(int(n), logs), nil
}

// read makes what the input and the logs say.
func (v *transactionView) read(r *http.Request, known *Signatures, firstLog int) {
	if v.To != nil {
		v.Call = known.call(v.Input)
	}
	all := v.Receipt.Logs
	last := min(v.FirstShown+logsShown, len(all))
	for i := v.FirstShown; i < last; i++ {
		log := &all[i]
		v.Logs = append(v.Logs, logView{
			Log: log, Index: firstLog + i, Event: known.event(log), DataStart: log.Data[:min(len(log.Data), dataShown)],
		})
	}
	if v.FirstShown > 0 {
		v.Earlier = with(r, "logs", strconv.Itoa(max(v.FirstShown-logsShown, 0))) + "#logs"
	}
	if last < len(all) {
		v.Later = with(r, "logs", strconv.Itoa(last)) + "#logs"
	}
}

// Fee is what was paid for gas, in wei; nil if the node did not tell the price.
func (v *transactionView) Fee() *uint256.Int {
	if v.Receipt.EffectiveGasPrice == nil {
		return nil
	}
	return new(uint256.Int).Mul(v.Receipt.EffectiveGasPrice, uint256.NewInt(v.Receipt.GasUsed))
}

// Burnt is the part of the fee that went to nobody (EIP-1559), in wei.
func (v *transactionView) Burnt() *uint256.Int {
	if v.Block.BaseFeePerGas == nil {
		return nil
	}
	return new(uint256.Int).Mul(v.Block.BaseFeePerGas, uint256.NewInt(v.Receipt.GasUsed))
}

// Tip is the part of the fee that went to the block's miner, in wei.
func (v *transactionView) Tip() *uint256.Int {
	fee, burnt := v.Fee(), v.Burnt()
	if fee == nil || burnt == nil || fee.Lt(burnt) {
		return nil
	}
	return fee.Sub(fee, burnt)
}

// BlobFee is what was paid for blobs (EIP-4844), in wei.
func (v *transactionView) BlobFee() *uint256.Int {
	if v.Receipt.BlobGasPrice == nil || v.Receipt.BlobGasUsed == nil {
		return nil
	}
	return new(uint256.Int).Mul(v.Receipt.BlobGasPrice, uint256.NewInt(*v.Receipt.BlobGasUsed))
}

// TypeName says what kind of transaction it is.
func (v *transactionView) TypeName() string {
	names := map[uint64]string{
		0: "legacy", 1: "access list (EIP-2930)", 2: "dynamic fee (EIP-1559)", 3: "blobs (EIP-4844)",
		4: "set code (EIP-7702)", 0x7e: "deposit (OP Stack)",
	}
	if name, ok := names[v.Type]; ok {
		return fmt.Sprintf("%d, %s", v.Type, name)
	}
	return fmt.Sprint(v.Type)
}

func (v *transactionView) ShownAccess() []chain.AccessTuple {
	return v.AccessList[:min(len(v.AccessList), mostListed)]
}

func (v *transactionView) ShownAuthorizations() []chain.Authorization {
	return v.AuthorizationList[:min(len(v.AuthorizationList), mostListed)]
}

// input gives all of a transaction's input, however long it is.
func (h *Handler) input(w http.ResponseWriter, r *http.Request) {
	h.text(w, r, func(found *store.Found) ([]byte, bool) { return found.Input, true })
}

// logData gives all of a log's data.
func (h *Handler) logData(w http.ResponseWriter, r *http.Request) {
	h.text(w, r, func(found *store.Found) ([]byte, bool) {
		for i := range found.Receipt.Logs {
			if fmt.Sprint(found.FirstLog+i) == r.PathValue("index") {
				return found.Receipt.Logs[i].Data, true
			}
		}
		return nil, false
	})
}

// text gives bytes of a transaction in plain text.
func (h *Handler) text(w http.ResponseWriter, r *http.Request, part func(*store.Found) ([]byte, bool)) {
	hash, ok := parseHash(r.PathValue("hash"))
	if !ok {
		http.Error(w, "not a hash", http.StatusBadRequest)
		return
	}
	found, err := h.findTransaction(r, hash)
	if err != nil {
		http.Error(w, plain(err.Error()), http.StatusNotFound)
		return
	}
	content, ok := part(found)
	if !ok {
		http.Error(w, "there is no such log", http.StatusNotFound)
		return
	}
	writeText(w, r, content)
}

// writeText answers with bytes in plain text: as hex, or with as=text as what
// they are in UTF-8.
func writeText(w http.ResponseWriter, r *http.Request, content []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Cache-Control", "no-store")
	text := hexutil.Encode(content)
	if r.URL.Query().Get("as") == "text" {
		text = strings.ToValidUTF8(string(content), "\uFFFD")
	}
	_, _ = io.WriteString(w, text) // the client's loss
}

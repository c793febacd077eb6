package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
)

var checks = []string{"header hash", "transactions root", "receipts root", "bloom", "withdrawals root", "transaction hash", "sender"}

// A report says what of a recording go-ethereum's types recompute.
type report struct {
	name    string
	client  string
	blocks  int
	passed  map[string]int
	tried   map[string]int
	unread  map[string]int // what go-ethereum's JSON decoder refuses
	details []string
}

func checkFile(path string) (report, error) {
	r := report{name: filepath.Base(path), passed: map[string]int{}, tried: map[string]int{}, unread: map[string]int{}}
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	unzip, err := gzip.NewReader(f)
	if err != nil {
		return r, err
	}
	lines := json.NewDecoder(bufio.NewReader(unzip))
	var chain struct {
		Client  string
		ChainID hexutil.Big
	}
	if err := lines.Decode(&chain); err != nil {
		return r, err
	}
	r.client = chain.Client
	for {
		var line blockLine
		if err := lines.Decode(&line); err == io.EOF {
			return r, nil
		} else if err != nil {
			return r, err
		}
		if err := r.block(line, types.LatestSignerForChainID(chain.ChainID.ToInt())); err != nil {
			return r, fmt.Errorf("block %d: %w", r.blocks, err)
		}
		r.blocks++
	}
}

func (r *report) block(line blockLine, signer types.Signer) error {
	var header types.Header
	var b struct {
		Hash         common.Hash
		Transactions []json.RawMessage
		Withdrawals  types.Withdrawals
	}
	var receipts []json.RawMessage
	if err := json.Unmarshal(line.Block, &header); err != nil {
		return err
	}
	if err := json.Unmarshal(line.Block, &b); err != nil {
		return err
	}
	if err := json.Unmarshal(line.Receipts, &receipts); err != nil {
		return err
	}
	r.equal("header hash", header.Hash(), b.Hash)
	if txs, ok := r.transactions(b.Transactions, signer); ok {
		r.equal("transactions root", types.DeriveSha(txs, trie.NewStackTrie(nil)), header.TxHash)
	} else {
		r.refused("transactions root", "a transaction is unreadable")
	}
	if rs, ok := r.receipts(receipts); ok {
		r.equal("receipts root", types.DeriveSha(rs, trie.NewStackTrie(nil)), header.ReceiptHash)
		r.equal("bloom", types.MergeBloom(rs), header.Bloom)
	} else {
		r.refused("receipts root", "a receipt is unreadable")
		r.refused("bloom", "a receipt is unreadable")
	}
	if header.WithdrawalsHash != nil {
		r.equal("withdrawals root", types.DeriveSha(b.Withdrawals, trie.NewStackTrie(nil)), *header.WithdrawalsHash)
	}
	return nil
}

func (r *report) transactions(raw []json.RawMessage, signer types.Signer) (types.Transactions, bool) {
	txs := make(types.Transactions, len(raw))
	readable := true
	for i, text := range raw {
		var said struct {
			Hash common.Hash
			From common.Address
		}
		txs[i] = new(types.Transaction)
		err := txs[i].UnmarshalJSON(text)
		if err == nil {
			err = json.Unmarshal(text, &said)
		}
		if err != nil {
			readable = false
			r.refused("transaction hash", fmt.Sprintf("%d: %v", i, err))
			r.refused("sender", fmt.Sprintf("%d: %v", i, err))
			continue
		}
		r.equal("transaction hash", txs[i].Hash(), said.Hash)
		from, err := types.Sender(signer, txs[i])
		if err != nil {
			r.refused("sender", fmt.Sprintf("%d: %v", i, err))
			continue
		}
		r.equal("sender", from, said.From)
	}
	return txs, readable
}

func (r *report) receipts(raw []json.RawMessage) (types.Receipts, bool) {
	rs := make(types.Receipts, len(raw))
	for i, text := range raw {
		rs[i] = new(types.Receipt)
		if err := rs[i].UnmarshalJSON(text); err != nil {
			r.details = append(r.details, fmt.Sprintf("block %d: receipt %d: %v", r.blocks, i, err))
			return nil, false
		}
		rs[i].Bloom = types.CreateBloom(rs[i]) // of its logs, not as told
	}
	return rs, true
}

func (r *report) equal(check string, got, want any) {
	r.tried[check]++
	if got == want {
		r.passed[check]++
		return
	}
	if check == "bloom" {
		got, want = "…", "…" // 256 bytes
	}
	r.details = append(r.details, fmt.Sprintf("block %d: %s: computed %v, the node says %v", r.blocks, check, got, want))
}

func (r *report) refused(check, why string) {
	r.tried[check]++
	r.unread[check]++
	r.details = append(r.details, fmt.Sprintf("block %d: %s: not computable: %s", r.blocks, check, why))
}

// print writes a table, and below it everything that does not recompute.
func print(w io.Writer, reports []report) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "check")
	for _, r := range reports {
		fmt.Fprintf(table, "\t%s", r.name)
	}
	fmt.Fprint(table, "\nblocks")
	for _, r := range reports {
		fmt.Fprintf(table, "\t%d", r.blocks)
	}
	for _, c := range checks {
		fmt.Fprintf(table, "\n%s", c)
		for _, r := range reports {
			fmt.Fprintf(table, "\t%d of %d", r.passed[c], r.tried[c])
			if r.unread[c] > 0 {
				fmt.Fprintf(table, " (%d not computable)", r.unread[c])
			}
		}
	}
	fmt.Fprintln(table)
	table.Flush()
	for _, r := range reports {
		fmt.Fprintf(w, "\n%s: %s\n", r.name, r.client)
		for _, d := range r.details {
			fmt.Fprintln(w, "  "+d)
		}
	}
}

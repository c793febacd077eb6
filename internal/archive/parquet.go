package archive

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/parquet"
)

// Parquet has the columns of the other formats under the same names, bytes as hex
// in lower case: that is how all engines join, filter and show them alike, and
// compressed it takes little more. Quantities of 256 bits are exact as decimal
// text; beside it there are columns to reckon with, empty where a quantity does
// not fit. The time of the block is in each row.

// A parquetWriter writes the rows of blocks that follow on each other, a file for
// each table.
type parquetWriter struct {
	tables []*parquetTable // in the order of Tables
	done   Range           // what was written
	empty  bool            // nothing was
}

// newParquetWriter begins files of the chain of a selection.
func newParquetWriter(outs []io.Writer, s *Selection) *parquetWriter {
	w := &parquetWriter{tables: make([]*parquetTable, len(Tables)), empty: true}
	for i, t := range Tables {
		w.tables[i] = newParquetTable(t, outs[i], s)
	}
	return w
}

// add writes the blocks of a selection.
func (w *parquetWriter) add(ctx context.Context, s *Selection) error {
	asTheyAre := func(blocks []*chain.Block) ([]*chain.Block, error) { return blocks, nil }
	return read(ctx, s, chain.QuickChecks, asTheyAre, func(blocks []*chain.Block) error {
		for _, b := range blocks {
			if err := w.next(b.Number, b.Hash, b.ParentHash); err != nil {
				return s.reorganised(ctx, err)
			}
			for _, t := range w.tables {
				if err := t.add(b); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// next notes that a block is written, if it follows on the one before.
func (w *parquetWriter) next(number uint64, hash, parent common.Hash) error {
	switch {
	case w.empty:
		w.empty, w.done = false, Range{First: number, Parent: parent, FirstHash: hash}
	case parent != w.done.Hash:
		return &branchError{w.done.Last, number}
	}
	w.done.Last, w.done.Hash = number, hash
	return nil
}

// close ends the files.
func (w *parquetWriter) close() (r Range, err error) {
	for _, t := range w.tables {
		err = errors.Join(err, t.out.Close())
	}
	return w.done, err
}

// A form is what is made of a value for a column.
type form int

const (
	asText form = iota
	asInteger
	asPrice   // a quantity of 256 bits, if it has 63 at most
	asDecimal // a quantity of 256 bits, if it has 38 digits at most
	asDouble  // the same, as near as can be
	asLimb52  // the same in three parts, which add up to it times 10^52,
	asLimb26  // times 10^26,
	asLimb0   // and times 1
	blockTime
	blockHash
	chainID // of the chain, not of the transaction
)

// A field is a column, and where it comes from.
type field struct {
	parquet.Column
	from int // index into the values of the row
	form
}

// A rowSink is where rows go: to a file, or to be compared with one. See
// [parquet.Writer].
type rowSink interface {
	Null(i int)
	Int(i int, v int64)
	Float(i int, v float64)
	Bytes(i int, v []byte)
	Space(i int) []byte
	Text(i int, appended []byte)
	Copy(row parquet.Row) error
	EndRow() error
	Close() error
}

// A parquetTable is a table that is being written.
type parquetTable struct {
	Table
	fields []field
	chain  uint64
	out    rowSink
	count  int64 // rows
	err    error
}

func newParquetTable(t Table, out io.Writer, s *Selection) *parquetTable {
	p := &parquetTable{Table: t, fields: t.fields(), chain: s.Identity.ChainID}
	columns := make([]parquet.Column, len(p.fields))
	for i, f := range p.fields {
		columns[i] = f.Column
	}
	p.out = parquet.NewWriter(out, columns, 1,
		"gapless.chain_id", strconv.FormatUint(s.Identity.ChainID, 10), "gapless.genesis", s.Identity.Genesis.Hex())
	return p
}

// fields are the columns of the table in Parquet.
func (t Table) fields() (all []field) {
	for i, name := range slices.Concat(t.columns, t.more) {
		add := func(suffix string, kind parquet.Kind, form form) {
			c := parquet.Column{Name: name + suffix, Kind: kind, Distinct: distinct[name], Sought: sought[name], Long: long[name]}
			c.Required = form != asDecimal && form != asPrice && (always[name] || t.Name == "transfers" && name == "to_address")
			all = append(all, field{c, i, form})
		}
		switch {
		case name == "chain_id": // there for all rows, see below
		case t.isInteger(name):
			add("", parquet.Integer, asInteger)
		case prices[name]:
			add("", parquet.Text, asText)
			add("_int64", parquet.Integer, asPrice)
		case amounts[name]:
			add("", parquet.Text, asText)
			add("_decimal", parquet.Decimal, asDecimal)
			add("_double", parquet.Double, asDouble)
			add("_e52", parquet.Limb, asLimb52)
			add("_e26", parquet.Limb, asLimb26)
			add("_e0", parquet.Limb, asLimb0)
		default:
			add("", parquet.Text, asText)
		}
		if i == 0 {
			all = append(all, ofBlock...)
			if withBlockHash[t.Name] {
				all = append(all, field{parquet.Column{Name: "block_hash", Kind: parquet.Text, Required: true, Sought: true}, 0, blockHash})
			}
		}
	}
	return all
}

// ofBlock are columns that every table has.
var ofBlock = []field{
	{parquet.Column{Name: "time", Kind: parquet.Time, Distinct: true}, 0, blockTime},
	{parquet.Column{Name: "chain_id", Kind: parquet.Integer, Required: true}, 0, chainID},
}

// isInteger reports whether a column is a number that fits 64 bits.
func (t Table) isInteger(name string) bool {
	switch name {
	case "nonce":
		return t.Name == "transactions" // a header's is bytes
	case "amount":
		return t.Name == "withdrawals"
	}
	return integers[name]
}

var (
	integers = setOf(`number block_number position transaction_index log_index batch_index withdrawal_index validator_index
		gas_limit gas_used timestamp blob_gas_used excess_blob_gas slot_number size transaction_count log_count uncle_count
		withdrawal_count type gas chain_id v y_parity status cumulative_gas_used standard`)
	// Quantities of 256 bits that are small on every chain that makes sense.
	prices = setOf(`difficulty total_difficulty base_fee_per_gas gas_price max_fee_per_gas max_priority_fee_per_gas
		max_fee_per_blob_gas effective_gas_price blob_gas_price token_id`)
	amounts = setOf(`value amount`)
	// Columns that have a value in every row.
	always = setOf(`number block_number position transaction_index log_index batch_index withdrawal_index validator_index hash parent_hash
		uncles_hash miner state_root transactions_root receipts_root logs_bloom difficulty gas_limit gas_used timestamp extra_data mix_hash
		transaction_count log_count uncle_count from_address address token standard type nonce gas value amount input data v r s
		cumulative_gas_used transaction_hash`)
	withBlockHash = setOf(`transactions logs transfers`)
	// Columns by whose values rows are looked for.
	sought = setOf(`hash transaction_hash miner from_address to_address contract_address address token topic0 topic1 topic2 topic3`)
	// Columns whose values may be long.
	long = setOf(`input data logs_bloom extra_data extra receipt_extra access_list authorization_list blob_versioned_hashes`)
	// Columns whose values hardly come twice, or follow from each other.
	distinct = setOf(`number block_number time timestamp nonce withdrawal_index hash transaction_hash parent_hash state_root transactions_root receipts_root
		mix_hash logs_bloom extra_data input data r s access_list extra receipt_extra`)
)

func setOf(names string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// add writes the rows of a block.
func (p *parquetTable) add(b *chain.Block) error {
	p.rows(b, func(values ...any) {
		for i := range p.fields {
			p.put(i, &p.fields[i], values[p.fields[i].from], b)
		}
		p.endRow()
	})
	return p.err
}

func (p *parquetTable) endRow() {
	p.count++
	if err := p.out.EndRow(); p.err == nil {
		p.err = err
	}
}

// put writes a value to column i.
func (p *parquetTable) put(i int, f *field, v any, b *chain.Block) {
	switch f.form {
	case asText:
		p.out.Text(i, appendText(p.out.Space(i), v))
		return
	case asInteger, asPrice:
		if n, ok := integerOf(v); ok {
			p.out.Int(i, n)
			return
		}
	case asDecimal:
		if q, _ := v.(*uint256.Int); q != nil && q.Lt(&decimalEnd) {
			word := q.Bytes32()
			p.out.Bytes(i, word[16:])
			return
		}
	case asDouble:
		if q, _ := v.(*uint256.Int); q != nil {
			p.out.Float(i, doubleOf(q))
			return
		}
	case asLimb52, asLimb26, asLimb0:
		if q, _ := v.(*uint256.Int); q != nil {
			word := limb(q, f.form).Bytes32()
			p.out.Bytes(i, word[32-parquet.LimbBytes:])
			return
		}
	case blockHash:
		p.out.Text(i, appendText(p.out.Space(i), b.Hash[:]))
		return
	case chainID:
		p.out.Int(i, int64(min(p.chain, math.MaxInt64)))
		return
	case blockTime:
		if b.Timestamp <= math.MaxInt64/1_000_000 {
			p.out.Int(i, int64(b.Timestamp)*1_000_000)
			return
		}
	}
	p.out.Null(i)
}

// decimalEnd is the first quantity of 39 digits.
var decimalEnd = *uint256.MustFromDecimal("1" + strings.Repeat("0", 38))

// limbEnd is the first quantity that doesn't fit a limb.
var limbEnd = *uint256.MustFromDecimal("1" + strings.Repeat("0", 26))

// limb gives a part of a quantity.
func limb(q *uint256.Int, part form) *uint256.Int {
	low, rest := q, new(uint256.Int)
	for ; part < asLimb0; part++ {
		if low.Lt(&limbEnd) {
			return new(uint256.Int)
		}
		low = new(uint256.Int).Div(low, &limbEnd)
	}
	if low.Lt(&limbEnd) {
		return low
	}
	return rest.Mod(low, &limbEnd)
}

// integerOf gives a number. One past 63 bits is cut to the largest, as in the
// file, but a quantity of 256 bits is left out then.
func integerOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case uint64:
		return int64(min(v, math.MaxInt64)), true
	case *uint64:
		if v != nil {
			return integerOf(*v)
		}
	case number:
		if v.Int != nil {
			if !v.IsUint64() {
				return math.MaxInt64, true
			}
			return integerOf(v.Uint64())
		}
	case *uint256.Int:
		if v != nil && v.IsUint64() && v.Uint64() <= math.MaxInt64 {
			return int64(v.Uint64()), true
		}
	}
	return 0, false
}

// doubleOf gives the nearest double, as SQLite does.
func doubleOf(q *uint256.Int) float64 {
	if q.IsUint64() {
		return float64(q.Uint64())
	}
	v, _ := strconv.ParseFloat(q.Dec(), 64) // it is a number
	return v
}

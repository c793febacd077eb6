// Package parquet reads and writes Apache Parquet files of flat tables
// (https://parquet.apache.org/docs/file-format/) by
// github.com/parquet-go/parquet-go, with nothing in them but what DuckDB, Spark,
// Trino and ClickHouse all read: data pages of version 1, plain values and
// dictionaries, zstd; and what lets them read little: an index of the pages,
// statistics, and bloom filters. The same rows give the same bytes.
package parquet

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// A row group ends with the row that reaches one of these.
	groupRows  = 65_536
	groupBytes = 12 << 20 // of values, before they are encoded

	batchRows = 256       // that are handed on together
	pageBytes = 128 << 10 // of a data page, about
	bloomBits = 10        // for each value: one in a hundred is found though it is not there
)

// A Writer writes the rows of one table: for each row a value for every column, by
// Null, Int, Float, Text or Bytes, then EndRow. It is for one goroutine.
type Writer struct {
	//lint:ignore SA1019 GenericWriter brings 0.5 MB of program for values of Go's types, of which there are none here
	out     *parquet.Writer
	columns []column
	rows    int   // of the present row group
	bytes   int64 // of its values
	batch   int   // rows that are not handed on yet
	err     error // the first one
}

// A column is the values of a column that are not handed on yet.
type column struct {
	Column
	out    *parquet.ColumnWriter
	null   parquet.Value
	values []parquet.Value
	bytes  []byte // that values refer to
}

// zstdFast is made once, since its encoders are to be used again.
var zstdFast = &zstd.Codec{Level: zstd.SpeedFastest}

// NewWriter begins a file, whose rows come in the order of the first columns, as
// many as sorted says. The metadata is pairs of a key and its value, for whoever
// looks at the file.
func NewWriter(out io.Writer, columns []Column, sorted int, metadata ...string) *Writer {
	options := []parquet.WriterOption{
		schemaOf(columns), createdBy(),
		parquet.Compression(zstdFast), parquet.DataPageVersion(1), parquet.PageBufferSize(pageBytes),
	}
	for i := 0; i+1 < len(metadata); i += 2 {
		options = append(options, parquet.KeyValueMetadata(metadata[i], metadata[i+1]))
	}
	var filters []parquet.BloomFilterColumn
	var order []parquet.SortingColumn
	for i, c := range columns {
		if c.Sought {
			filters = append(filters, parquet.SplitBlockFilter(bloomBits, c.Name))
		}
		if c.Long {
			options = append(options, parquet.SkipPageBounds(c.Name))
		}
		if i < sorted {
			order = append(order, parquet.Ascending(c.Name))
		}
	}
	options = append(options, parquet.BloomFilters(filters...), parquet.SortingWriterConfig(parquet.SortingColumns(order...)))
	w := &Writer{out: parquet.NewWriter(out, options...)}
	for i, c := range w.out.ColumnWriters() {
		w.columns = append(w.columns, column{Column: columns[i], out: c, null: parquet.NullValue().Level(0, 0, i)})
	}
	return w
}

// createdBy names this program, in the form that readers know.
func createdBy() parquet.WriterOption {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return parquet.CreatedBy("gapless", version, "")
}

// Null gives column i of the present row no value.
func (w *Writer) Null(i int) {
	c := &w.columns[i]
	if c.Required && w.err == nil {
		w.err = fmt.Errorf("parquet: column %s has no value in row %d of a row group", c.Name, w.rows)
	}
	c.values = append(c.values, c.null)
}

// Int gives an Integer column its value, or a Time column one in microseconds
// since 1970.
func (w *Writer) Int(i int, v int64) { w.put(i, parquet.Int64Value(v), 8) }

// Float gives a Double column its value, which is a number.
func (w *Writer) Float(i int, v float64) { w.put(i, parquet.DoubleValue(v), 8) }

// Bytes gives a Decimal or Limb column its value, which has [DecimalBytes] or
// [LimbBytes], big-endian, and is not negative.
func (w *Writer) Bytes(i int, v []byte) {
	c := &w.columns[i]
	at := len(c.bytes)
	c.bytes = append(c.bytes, v...)
	w.put(i, parquet.FixedLenByteArrayValue(c.bytes[at:]), len(v))
}

// Text gives a Text column its value in UTF-8, which was appended to what Space
// gave, or none if nothing was.
func (w *Writer) Text(i int, appended []byte) {
	c := &w.columns[i]
	at := len(c.bytes)
	c.bytes = appended
	if at == len(appended) {
		w.Null(i)
		return
	}
	w.put(i, parquet.ByteArrayValue(appended[at:]), len(appended)-at)
}

// Space gives what the value of a Text column is to be appended to.
func (w *Writer) Space(i int) []byte { return w.columns[i].bytes }

func (w *Writer) put(i int, v parquet.Value, size int) {
	c := &w.columns[i]
	if !c.Required {
		v = v.Level(0, 1, i)
	}
	c.values = append(c.values, v)
	w.bytes += int64(size)
}

// Copy gives all columns of the present row the values of a row that was read
// from a file with the same columns.
func (w *Writer) Copy(row Row) error {
	if len(row) != len(w.columns) {
		return fmt.Errorf("parquet: a row of %d columns, not %d", len(row), len(w.columns))
	}
	for i, v := range row {
		switch kind := w.columns[i].Kind; {
		case v.IsNull():
			w.Null(i)
		case kind == Integer || kind == Time:
			w.Int(i, v.Int64())
		case kind == Double:
			w.Float(i, v.Double())
		case kind == Decimal || kind == Limb:
			w.Bytes(i, v.ByteArray())
		default:
			w.Text(i, append(w.Space(i), v.ByteArray()...))
		}
	}
	return nil
}

// EndRow ends the present row. Its error is the first one that writing had.
func (w *Writer) EndRow() error {
	w.rows++
	w.batch++
	full := w.rows >= groupRows || w.bytes >= groupBytes
	if w.batch == batchRows || full {
		w.handOn()
	}
	if full {
		w.endGroup()
	}
	return w.err
}

// handOn gives the rows of the batch to the columns. For no rows, the library would
// make a pointer of nothing, at which Go's runtime may end the process.
func (w *Writer) handOn() {
	if w.batch == 0 {
		return
	}
	for i := range w.columns {
		c := &w.columns[i]
		if w.err == nil {
			_, w.err = c.out.WriteRowValues(c.values)
		}
		c.values, c.bytes = c.values[:0], c.bytes[:0]
	}
	w.batch = 0
}

// endGroup writes what is there as a row group.
func (w *Writer) endGroup() {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	w.rows, w.bytes = 0, 0
}

// Close ends the file. What it was written to stays open.
func (w *Writer) Close() error {
	w.handOn()
	if w.err == nil {
		w.err = w.out.Close()
	}
	return w.err
}

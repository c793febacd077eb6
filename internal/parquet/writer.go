// Package parquet writes Apache Parquet files of flat tables
// (https://parquet.apache.org/docs/file-format/), a column at a time and with
// nothing in them but what DuckDB, Spark, Trino and ClickHouse all read: data
// pages of version 1, zstd, and the smallest and largest value of each column
// of a row group. The same rows give the same bytes.
//
// The structures and encodings are those of github.com/parquet-go/parquet-go. Its
// own writer is not used: it brings every codec that there is, 5.5 MB of
// program, and works by reflection.
package parquet

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A row group ends with the row that reaches one of these.
const (
	groupRows  = 65_536
	groupBytes = 32 << 20 // of values, before they are encoded
)

var magic = []byte("PAR1")

// A Writer writes the rows of one table: for each row a value for every column, by
// Null, Int, Float or Bytes, then EndRow. It is for one goroutine.
type Writer struct {
	out      io.Writer
	offset   int64 // bytes written
	columns  []*column
	rows     int64 // of the present row group
	meta     format.FileMetaData
	compress *zstd.Encoder
	err      error // the first one of out
}

// NewWriter begins a file. The metadata is pairs of a key and its value, for
// whoever looks at the file.
func NewWriter(out io.Writer, columns []Column, metadata ...string) (*Writer, error) {
	compress, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	w := &Writer{out: out, compress: compress}
	w.meta = format.FileMetaData{Version: 1, CreatedBy: "gapless", Schema: schemaOf(columns)}
	for i := 0; i+1 < len(metadata); i += 2 {
		w.meta.KeyValueMetadata = append(w.meta.KeyValueMetadata, format.KeyValue{Key: metadata[i], Value: metadata[i+1]})
	}
	for _, c := range columns {
		w.columns = append(w.columns, newColumn(c))
		w.meta.ColumnOrders = append(w.meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	w.write(magic)
	return w, nil
}

// Null gives column i of the present row no value.
func (w *Writer) Null(i int) { w.columns[i].levels = append(w.columns[i].levels, 0) }

// Int gives an Integer column its value, or a Time column one in microseconds
// since 1970.
func (w *Writer) Int(i int, v int64) {
	c := w.columns[i]
	c.levels, c.ints = append(c.levels, 1), append(c.ints, v)
}

// Float gives a Double column its value, which is a number.
func (w *Writer) Float(i int, v float64) {
	c := w.columns[i]
	c.levels, c.floats = append(c.levels, 1), append(c.floats, v)
}

// Bytes gives a Text column its value, which is UTF-8, or a Decimal column one
// of 16 bytes, big-endian and not negative.
func (w *Writer) Bytes(i int, v []byte) {
	c := w.columns[i]
	c.levels, c.bytes = append(c.levels, 1), append(c.bytes, v...)
	c.ends = append(c.ends, len(c.bytes))
}

// EndRow ends the present row. Its error is the first one that writing had.
func (w *Writer) EndRow() error {
	w.rows++
	if w.rows%1024 == 0 && w.size() >= groupBytes || w.rows >= groupRows {
		w.endGroup()
	}
	return w.err
}

func (w *Writer) size() (size int) {
	for _, c := range w.columns {
		size += len(c.levels) + 8*len(c.ints) + 8*len(c.floats) + len(c.bytes)
	}
	return size
}

// endGroup writes what is there as a row group.
func (w *Writer) endGroup() {
	group := format.RowGroup{NumRows: w.rows, FileOffset: w.offset, Ordinal: int16(len(w.meta.RowGroups))}
	for _, c := range w.columns {
		chunk := w.writeColumn(c)
		group.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		group.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		group.Columns = append(group.Columns, chunk)
		c.reset()
	}
	w.meta.NumRows += w.rows
	w.meta.RowGroups = append(w.meta.RowGroups, group)
	w.rows = 0
}

// Close ends the file. What it was written to stays open.
func (w *Writer) Close() error {
	if w.rows > 0 {
		w.endGroup()
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &w.meta)
	if err != nil {
		return err
	}
	w.write(footer)
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	w.write(magic)
	return w.err
}

// write writes to the file, unless that has failed before.
func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	w.offset += int64(len(b))
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
		default:
			w.Bytes(i, v.ByteArray())
		}
	}
	return nil
}

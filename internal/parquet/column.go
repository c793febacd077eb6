package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pageRows is how many rows a data page has at most.
const pageRows = 16_384

// longest is the length up to which a text counts for the smallest and largest
// of its column: that of a hash, or a quantity of 256 bits.
const longest = 78

// A column is the values of a column in the present row group: which of the rows
// have one, and the values of its kind.
type column struct {
	Column
	levels []byte // 1 for each row that has a value, else 0
	ints   []int64
	floats []float64
	bytes  []byte
	ends   []int // of each value in bytes

	page, packed []byte // to be used again
}

func newColumn(c Column) *column { return &column{Column: c} }

func (c *column) reset() {
	c.levels, c.ints, c.floats = c.levels[:0], c.ints[:0], c.floats[:0]
	c.bytes, c.ends = c.bytes[:0], c.ends[:0]
}

// at is value i of those that are text or decimals.
func (c *column) at(i int) []byte {
	if i == 0 {
		return c.bytes[:c.ends[0]]
	}
	return c.bytes[c.ends[i-1]:c.ends[i]]
}

// writeColumn writes the values of the present row group.
func (w *Writer) writeColumn(c *column) format.ColumnChunk {
	m := format.ColumnMetaData{
		Type: c.Kind.physical(), PathInSchema: []string{c.Name}, Codec: format.Zstd,
		NumValues: int64(len(c.levels)), Statistics: c.statistics(),
	}
	begin := w.offset
	d := c.dictionary()
	m.Encoding = []format.Encoding{format.RLE, c.encoding(d)}
	if d != nil {
		m.DictionaryPageOffset = w.offset
		m.Encoding = append(m.Encoding, format.Plain)
		w.writePage(&m, format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: some(format.DictionaryPageHeader{
			NumValues: int32(d.count), Encoding: format.Plain,
		})}, d.page)
	}
	m.DataPageOffset = w.offset
	for from, done := 0, 0; from < len(c.levels); from += pageRows {
		levels := c.levels[from:min(from+pageRows, len(c.levels))]
		count := bytes.Count(levels, []byte{1})
		w.writePage(&m, format.PageHeader{Type: format.DataPage, DataPageHeader: some(format.DataPageHeader{
			NumValues: int32(len(levels)), Encoding: c.encoding(d),
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
			Statistics: format.Statistics{NullCount: int64(len(levels) - count)},
		})}, c.encode(levels, done, done+count, d))
		done += count
	}
	m.TotalCompressedSize = w.offset - begin
	return format.ColumnChunk{FileOffset: begin, MetaData: m}
}

// writePage writes a page with its header.
func (w *Writer) writePage(m *format.ColumnMetaData, h format.PageHeader, page []byte) {
	packed := w.compress.EncodeAll(page, nil)
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(page)), int32(len(packed))
	header, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	if err != nil && w.err == nil {
		w.err = err
	}
	m.TotalUncompressedSize += int64(len(header) + len(page))
	w.write(header)
	w.write(packed)
}

// encoding is that of the data pages. That of integers is made for numbers that
// grow or stay: block numbers, positions, gas limits.
func (c *column) encoding(d *dictionary) format.Encoding {
	switch {
	case d != nil:
		return format.RLEDictionary
	case c.Kind == Integer || c.Kind == Time:
		return format.DeltaBinaryPacked
	}
	return format.Plain
}

// encode makes a data page of rows, whose values are those from one to before
// another. It is good until the next call.
func (c *column) encode(levels []byte, from, to int, d *dictionary) []byte {
	c.packed = encoded((&rle.Encoding{BitWidth: 1}).EncodeLevels(c.packed, levels))
	page := binary.LittleEndian.AppendUint32(c.page[:0], uint32(len(c.packed)))
	page = append(page, c.packed...)
	switch {
	case d != nil:
		width := max(1, bits.Len(uint(d.count-1)))
		c.packed = encoded((&rle.Encoding{BitWidth: width}).EncodeInt32(c.packed, d.indexes[from:to]))
		page = append(append(page, byte(width)), c.packed...)
	case c.Kind == Integer || c.Kind == Time:
		c.packed = encoded(new(delta.BinaryPackedEncoding).EncodeInt64(c.packed, c.ints[from:to]))
		page = append(page, c.packed...)
	case c.Kind == Double:
		for _, v := range c.floats[from:to] {
			page = binary.LittleEndian.AppendUint64(page, math.Float64bits(v))
		}
	default:
		for i := from; i < to; i++ {
			page = c.appendPlain(page, c.at(i))
		}
	}
	c.page = page
	return page
}

// appendPlain appends a text or decimal in the plain encoding.
func (c *column) appendPlain(page, v []byte) []byte {
	if c.Kind == Text {
		page = binary.LittleEndian.AppendUint32(page, uint32(len(v)))
	}
	return append(page, v...)
}

// encoded takes what can't fail: the widths are right.
func encoded(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// A dictionary is the different values of a column, and which of them each
// value is.
type dictionary struct {
	page    []byte
	count   int
	indexes []int32
}

// mostEntries is the number of different values from which on a dictionary is not
// worth it.
const mostEntries = 1 << 15

// dictionary gives that of a column of texts or decimals, nil if one does not
// make it smaller.
func (c *column) dictionary() *dictionary {
	if c.Kind != Text && c.Kind != Decimal || c.Distinct || len(c.ends) == 0 {
		return nil
	}
	d := &dictionary{indexes: make([]int32, len(c.ends))}
	known := make(map[string]int32)
	for i := range c.ends {
		v := c.at(i)
		index, ok := known[string(v)]
		if !ok {
			if d.count > len(c.ends)/2 || d.count == mostEntries {
				return nil
			}
			index = int32(d.count)
			known[string(v)] = index
			d.page = c.appendPlain(d.page, v)
			d.count++
		}
		d.indexes[i] = index
	}
	return d
}

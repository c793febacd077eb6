package parquet

import (
	"errors"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// A Reader reads the rows of a file. It is for one goroutine.
type Reader struct {
	file   *os.File
	groups []parquet.RowGroup // that come after this one
	rows   parquet.Rows       // of the present row group; nil before the first
	ended  bool               // rows has given all
	buffer []parquet.Row
	next   []parquet.Row // of buffer
}

// A Row is the values of a row.
type Row []parquet.Value

// Int gives the integer or time in column i.
func (r Row) Int(i int) int64 { return r[i].Int64() }

// Bytes gives the text or decimal in column i, nil if there is none. It is good
// as long as the row.
func (r Row) Bytes(i int) []byte {
	if r[i].IsNull() {
		return nil
	}
	return r[i].ByteArray()
}

// readRows is how many rows are read at a time.
const readRows = 128

// Open opens a file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	var p *parquet.File
	if err == nil {
		p, err = parquet.OpenFile(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Reader{file: f, groups: p.RowGroups(), buffer: make([]parquet.Row, readRows)}, nil
}

// Next gives the next row, which is good until the next call; after the last one
// the error is [io.EOF].
func (r *Reader) Next() (Row, error) {
	for len(r.next) == 0 {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	row := Row(r.next[0])
	r.next = r.next[1:]
	return row, nil
}

// fill reads rows into next.
func (r *Reader) fill() error {
	if r.ended { // what it gave was used until now
		if err := r.rows.Close(); err != nil {
			return err
		}
		r.rows, r.ended = nil, false
	}
	if r.rows == nil {
		if len(r.groups) == 0 {
			return io.EOF
		}
		r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
	}
	n, err := r.rows.ReadRows(r.buffer)
	r.next = r.buffer[:n]
	if errors.Is(err, io.EOF) {
		r.ended, err = true, nil
	}
	return err
}

// Close closes the file.
func (r *Reader) Close() error {
	var err error
	if r.rows != nil {
		err = r.rows.Close()
	}
	return errors.Join(err, r.file.Close())
}

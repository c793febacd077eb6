package archive

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"

	"gapless/internal/chain"
)

// A RowFormat is a way to write the rows of a table.
type RowFormat int

const (
	// JSONRows are JSON objects, one a line, with all columns of the table:
	// bytes as hex in lower case, quantities of 256 bits as decimal strings.
	JSONRows RowFormat = iota
	// CSVRows are CSV (RFC 4180, but for lines that end in a line feed) with a
	// line of names first. What is absent is empty, bytes are 0x at least.
	CSVRows
)

// WriteTables writes the rows of tables, each to a writer of its own.
func (s *Selection) WriteTables(ctx context.Context, format RowFormat, tables []Table, outs []io.Writer) error {
	write := func(texts [][]byte) error {
		for i := range texts {
			if _, err := outs[i].Write(texts[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if format == CSVRows {
		names := make([][]byte, len(tables))
		for i, t := range tables {
			names[i] = t.csvNames()
		}
		if err := write(names); err != nil {
			return err
		}
	}
	return read(ctx, s, chain.QuickChecks, func(blocks []*chain.Block) ([][]byte, error) {
		texts := make([][]byte, len(tables))
		for i, t := range tables {
			if format == CSVRows {
				texts[i] = t.csv(blocks)
			} else {
				texts[i] = t.json(blocks)
			}
		}
		return texts, nil
	}, write)
}

func (t Table) json(blocks []*chain.Block) (out []byte) {
	for _, b := range blocks {
		t.rows(b, func(values ...any) {
			for i, name := range t.columns {
				sep := byte(',')
				if i == 0 {
					sep = '{'
				}
				out = append(append(out, sep, '"'), name...)
				out = appendJSON(append(out, '"', ':'), values[i])
			}
			out = append(out, '}', '\n')
		})
	}
	return out
}

func (t Table) csvNames() []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(t.columns) // to memory
	w.Flush()
	return out.Bytes()
}

func (t Table) csv(blocks []*chain.Block) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	record := make([]string, len(t.columns))
	var text []byte
	for _, b := range blocks {
		t.rows(b, func(values ...any) {
			for i := range record {
				text = appendText(text[:0], values[i])
				record[i] = string(text)
			}
			_ = w.Write(record) // to memory
		})
	}
	w.Flush()
	return out.Bytes()
}

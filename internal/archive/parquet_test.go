package archive_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"testing"

	reader "github.com/parquet-go/parquet-go"

	"gapless/internal/archive"
	"gapless/internal/node/recorded"
)

// The tables of all recordings have the rows and values in Parquet that they have
// as CSV, and beside them the same quantities as numbers.
func TestParquet(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chain/chain", "nodes/anvil", "optimism/optimism"} {
		c, err := recorded.ReadFile(recordings + "/" + name + ".jsonl.gz")
		if err != nil {
			t.Fatal(err)
		}
		path := newFile(t, c, min(c.Last(), 1200))
		s := selected(t, path)
		files := make([]bytes.Buffer, len(archive.Tables))
		outs := make([]io.Writer, len(files))
		for i := range files {
			outs[i] = &files[i]
		}
		r, err := s.WriteParquet(t.Context(), outs)
		if err != nil || r.Parent != decode(t, &c.Blocks[0]).ParentHash || r.FirstHash != c.Blocks[0].Hash || r.Hash != c.Block(s.To).Hash {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		for i, table := range archive.Tables {
			records, err := csv.NewReader(strings.NewReader(rows(t, s, archive.CSVRows, table))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			got := readParquet(t, files[i].Bytes())
			if len(got) != len(records)-1 {
				t.Errorf("%s: %s: %d rows, want %d", name, table.Name, len(got), len(records)-1)
				continue
			}
			for j, record := range records[1:] {
				if err := sameRow(s, records[0], record, got[j]); err != nil {
					t.Errorf("%s: %s: row %d: %v", name, table.Name, j, err)
					break
				}
			}
		}
	}
}

// readParquet gives the rows of a file by the names of their columns.
func readParquet(t *testing.T, file []byte) (all []map[string]reader.Value) {
	t.Helper()
	f, err := reader.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range f.RowGroups() {
		r := group.Rows()
		buffer := make([]reader.Row, 64)
		for err = nil; err == nil; {
			var n int
			n, err = r.ReadRows(buffer)
			for _, values := range buffer[:n] {
				row := make(map[string]reader.Value)
				for _, v := range values {
					row[f.Schema().Columns()[v.Column()][0]] = v.Clone()
				}
				all = append(all, row)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	return all
}

// sameRow compares a row with the CSV record, and numbers with the text that they
// are made of.
func sameRow(s *archive.Selection, names, record []string, row map[string]reader.Value) error {
	for i, name := range names {
		want := record[i]
		if name == "chain_id" { // in every row that of the chain
			want = fmt.Sprint(s.Identity.ChainID)
		}
		if got := textOf(row[name]); got != want {
			return fmt.Errorf("%s is %q, want %q", name, got, want)
		}
		number, _ := new(big.Int).SetString(want, 10)
		if v, ok := row[name+"_int64"]; ok && (number == nil || !number.IsInt64()) != v.IsNull() || ok && !v.IsNull() && textOf(v) != want {
			return fmt.Errorf("%s_int64 is %s for %q", name, v, want)
		}
		if v, ok := row[name+"_decimal"]; ok && (len(want) > 38) != v.IsNull() || ok && !v.IsNull() && new(big.Int).SetBytes(v.ByteArray()).Cmp(number) != 0 {
			return fmt.Errorf("%s_decimal is %s for %q", name, v, want)
		}
		if v, ok := row[name+"_double"]; ok {
			if near, err := strconv.ParseFloat(want, 64); err != nil || near != v.Double() {
				return fmt.Errorf("%s_double is %s for %q", name, v, want)
			}
		}
		if high, ok := row[name+"_e52"]; ok {
			sum := new(big.Int)
			for _, v := range []reader.Value{high, row[name+"_e26"], row[name+"_e0"]} {
				sum.Add(sum.Mul(sum, limbEnd), new(big.Int).SetBytes(v.ByteArray()))
			}
			if sum.Cmp(number) != 0 {
				return fmt.Errorf("the limbs of %s are %s for %q", name, sum, want)
			}
		}
		if v := row["time"]; name == "timestamp" && names[0] == "number" && v.Int64() != number.Int64()*1_000_000 {
			return fmt.Errorf("time is %s for %q", v, want)
		}
	}
	if row["time"].IsNull() || row["chain_id"].Int64() != int64(s.Identity.ChainID) {
		return errors.New("there is no time, or another chain id")
	}
	return nil
}

var limbEnd = new(big.Int).Exp(big.NewInt(10), big.NewInt(26), nil)

func textOf(v reader.Value) string {
	switch {
	case v.IsNull():
		return ""
	case v.Kind() == reader.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	}
	return string(v.ByteArray())
}

// The columns and their types, for a person to read.
func TestParquetColumns(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := selected(t, wholeFile(t), 0, 0)
	files := make([]bytes.Buffer, len(archive.Tables))
	outs := make([]io.Writer, len(files))
	for i := range files {
		outs[i] = &files[i]
	}
	if _, err := s.WriteParquet(t.Context(), outs); err != nil {
		t.Fatal(err)
	}
	for i, table := range archive.Tables {
		f, err := reader.OpenFile(bytes.NewReader(files[i].Bytes()), int64(files[i].Len()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", table.Name)
		for _, column := range f.Schema().Fields() {
			fmt.Fprintf(&out, "  %-26s %s\n", column.Name(), column.Type())
		}
	}
	golden(t, "parquet-columns.txt", out.String())
}

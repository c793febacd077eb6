package archive_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/node/recorded"
)

// Two blocks of the recorded chain with transactions of four types, a log that
// is a transfer, and withdrawals; for the uncles another block.
func TestGolden(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	var out bytes.Buffer
	if err := selected(t, path, 1105, 1106).WriteJSONL(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	golden(t, "blocks.jsonl", out.String())
	for _, table := range archive.Tables {
		s := selected(t, path, 1105, 1106)
		if table.Name == "uncles" {
			s = selected(t, path, 222, 222)
		}
		for name, format := range map[string]archive.RowFormat{"jsonl": archive.JSONRows, "csv": archive.CSVRows} {
			golden(t, "table-"+table.Name+"."+name, rows(t, s, format, table))
		}
	}
}

func rows(t *testing.T, s *archive.Selection, format archive.RowFormat, table archive.Table) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.WriteTables(t.Context(), format, []archive.Table{table}, []io.Writer{&out}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Each line of JSON lines is what the node answered.
func TestJSONLines(t *testing.T) {
	t.Parallel()
	c := recording()
	var out bytes.Buffer
	if err := selected(t, wholeFile(t)).WriteJSONL(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
	if len(lines) != len(c.Blocks)+1 {
		t.Fatalf("%d lines for %d blocks", len(lines), len(c.Blocks))
	}
	for i, raw := range c.Blocks {
		want := map[string]any{"block": raw.Block, "receipts": raw.Receipts}
		if len(raw.Uncles) > 0 {
			want["uncles"] = raw.Uncles
		}
		if !reflect.DeepEqual(parsed(t, marshal(t, want)), parsed(t, lines[i+1])) {
			t.Errorf("block %d:\n%s", raw.Number, cmp.Diff(parsed(t, marshal(t, want)), parsed(t, lines[i+1])))
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parsed(t *testing.T, raw []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// The tables of all recordings have the rows and values of the file, which are
// the same as JSON and as CSV.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chain/chain", "nodes/anvil", "optimism/optimism"} {
		c, err := recorded.ReadFile(recordings + "/" + name + ".jsonl.gz")
		if err != nil {
			t.Fatal(err)
		}
		path := newFile(t, c, min(c.Last(), 400))
		s := selected(t, path)
		db := openSQL(t, path)
		defer db.Close()
		for _, table := range archive.Tables {
			var count int
			if err := db.QueryRow(`SELECT COUNT(*) FROM ` + table.Name).Scan(&count); err != nil {
				t.Fatal(err)
			}
			records, err := csv.NewReader(strings.NewReader(rows(t, s, archive.CSVRows, table))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			objects := strings.Split(strings.TrimSuffix(rows(t, s, archive.JSONRows, table), "\n"), "\n")
			if len(records)-1 != count || count > 0 && len(objects) != count {
				t.Errorf("%s: %s: %d records and %d objects of %d rows", name, table.Name, len(records)-1, len(objects), count)
				continue
			}
			for i, record := range records[1:] {
				if want := cells(t, records[0], objects[i]); !slices.Equal(want, record) {
					t.Fatalf("%s: row %d of %s (-JSON +CSV):\n%s", name, i, table.Name, cmp.Diff(want, record))
				}
			}
		}
	}
}

// cells gives the values of a JSON object as a CSV record has them.
func cells(t *testing.T, names []string, object string) (record []string) {
	t.Helper()
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &values); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	if len(values) != len(names) {
		t.Errorf("%d values for %d columns", len(values), len(names))
	}
	for _, name := range names {
		value := string(values[name])
		if value == "null" {
			value = ""
		}
		record = append(record, strings.Trim(value, `"`))
	}
	return record
}

// From block 1 on the RLP is the file that geth imported; go-ethereum reads
// the receipts.
func TestRLP(t *testing.T) {
	t.Parallel()
	c := recording()
	f, err := os.Open(recordings + "/chain/chain.rlp.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	var blocks, receipts bytes.Buffer
	if err := selected(t, wholeFile(t), 1, c.Last()).WriteRLP(t.Context(), &blocks, &receipts); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(blocks.Bytes(), want) {
		t.Error("not what geth imported")
	}
	stream := rlp.NewStream(&receipts, 0)
	for _, raw := range c.Blocks[1:] {
		var list types.Receipts
		if err := stream.Decode(&list); err != nil {
			t.Fatalf("receipts of block %d: %v", raw.Number, err)
		}
		if b := decode(t, &raw); len(list) != len(b.Transactions) {
			t.Errorf("block %d has %d receipts, want %d", raw.Number, len(list), len(b.Transactions))
		}
	}
	var list types.Receipts
	if err := stream.Decode(&list); err != io.EOF {
		t.Errorf("after the last receipts: %v", err)
	}
}

// What RLP can't hold is refused.
func TestNoRLP(t *testing.T) {
	t.Parallel()
	c := recording()
	whole := newFile(t, c, 60)
	for _, tt := range []struct{ edit, want string }{
		{`UPDATE blocks SET checks_passed = 0, extra_data = x'01' WHERE number = 50`, "header hash"},
		{`UPDATE blocks SET checks_passed = 0 WHERE number = 50; UPDATE transactions SET nonce = 77 WHERE block_number = 50`, "transactions root"},
		{`UPDATE blocks SET checks_passed = 0 WHERE number = 50; UPDATE logs SET data = x'01' WHERE block_number = 50`, "receipts root"},
	} {
		path := copyOf(t, whole)
		edit(t, path, tt.edit)
		err := selected(t, path).WriteRLP(t.Context(), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "block 50 can't be written as RLP, as its "+tt.want) {
			t.Errorf("%s: error %v", tt.edit, err)
		}
	}
	if err := selected(t, whole).WriteRLP(t.Context(), io.Discard, nil); err != nil {
		t.Error(err)
	}
}

// A failing writer ends all of them with its error.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	s := selected(t, wholeFile(t))
	full := func() io.Writer { return &limited{100_000} }
	tables := []io.Writer{full(), full(), full(), full(), full(), full()}
	for name, err := range map[string]error{
		"jsonl":    s.WriteJSONL(t.Context(), full()),
		"rlp":      s.WriteRLP(t.Context(), full(), io.Discard),
		"receipts": s.WriteRLP(t.Context(), io.Discard, full()),
		"csv":      s.WriteTables(t.Context(), archive.CSVRows, archive.Tables, tables),
	} {
		if err != errFull {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

type limited struct{ left int }

var errFull = fmt.Errorf("disk is full")

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

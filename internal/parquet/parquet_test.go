package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	reader "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"gapless/internal/parquet"
)

var columns = []parquet.Column{
	{Name: "number", Kind: parquet.Integer},
	{Name: "time", Kind: parquet.Time},
	{Name: "real", Kind: parquet.Double},
	{Name: "name", Kind: parquet.Text},
	{Name: "hash", Kind: parquet.Text, Distinct: true, Sought: true},
	{Name: "amount", Kind: parquet.Decimal},
	{Name: "empty", Kind: parquet.Text, Long: true},
	{Name: "key", Kind: parquet.Text, Required: true, Sought: true},
}

// A row is the values of a row; nil is none.
type row [8]any

// rows are random ones, some values in runs and some absent.
func rows(n int, seed uint64) []row {
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]row, n)
	for i := range all {
		all[i] = row{
			int64(i) - 5, int64(random.Uint64()), random.NormFloat64(), fmt.Sprint("name ", random.IntN(1+n/5)),
			fmt.Sprintf("%x", random.Uint64()), fmt.Sprintf("%016x", i/7), nil, fmt.Sprint("key ", i/3),
		}
		for j := range all[i] {
			if j < 7 && random.IntN(10) == 0 || j == 0 && i%300 > 200 {
				all[i][j] = nil
			}
		}
	}
	return all
}

func write(t testing.TB, out io.Writer, rows []row) error {
	t.Helper()
	w := parquet.NewWriter(out, columns, 1, "chain", "1337")
	for _, r := range rows {
		for i, v := range r {
			switch v := v.(type) {
			case nil:
				w.Null(i)
			case int64:
				w.Int(i, v)
			case float64:
				w.Float(i, v)
			case string:
				if columns[i].Kind == parquet.Decimal {
					w.Bytes(i, []byte(v))
				} else {
					w.Text(i, append(w.Space(i), v...))
				}
			}
		}
		if err := w.EndRow(); err != nil {
			return err
		}
	}
	return w.Close()
}

// Another implementation reads what was written.
func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 8, 9, 500, 16_384, 16_385, 70_000} {
		want := rows(n, uint64(n))
		var out bytes.Buffer
		if err := write(t, &out, want); err != nil {
			t.Fatal(err)
		}
		f, err := reader.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatalf("%d rows: %v", n, err)
		}
		if chain, ok := f.Lookup("chain"); !ok || chain != "1337" {
			t.Errorf("metadata %q", chain)
		}
		if got := read(t, f); !cmp.Equal(want, got) {
			t.Fatalf("%d rows (-want +got):\n%s", n, cmp.Diff(want, got))
		}
		checkStatistics(t, f)
	}
}

func read(t *testing.T, f *reader.File) []row {
	t.Helper()
	all := make([]row, 0, f.NumRows())
	for _, group := range f.RowGroups() {
		r := group.Rows()
		buffer := make([]reader.Row, 100)
		for {
			n, err := r.ReadRows(buffer)
			for _, values := range buffer[:n] {
				all = append(all, rowOf(values))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func rowOf(values reader.Row) (r row) {
	for i, v := range values {
		switch {
		case v.IsNull():
		case v.Kind() == reader.Int64:
			r[i] = v.Int64()
		case v.Kind() == reader.Double:
			r[i] = v.Double()
		default:
			r[i] = string(v.ByteArray())
		}
	}
	return r
}

// checkStatistics holds what the row groups say of their columns against the
// values.
func checkStatistics(t *testing.T, f *reader.File) {
	t.Helper()
	for g, group := range f.RowGroups() {
		for i, chunk := range f.Metadata().RowGroups[g].Columns {
			typ := f.Schema().Columns()[i]
			leaf, _ := f.Schema().Lookup(typ...)
			kind := leaf.Node.Type()
			nulls := int64(0)
			s := chunk.MetaData.Statistics
			pages := group.ColumnChunks()[i].Pages()
			for {
				page, err := pages.ReadPage()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				values := make([]reader.Value, page.NumValues())
				if n, err := page.Values().ReadValues(values); n != len(values) {
					t.Fatal(n, err)
				}
				for _, v := range values {
					switch {
					case v.IsNull():
						nulls++
					case columns[i].Long:
					case s.MinValue == nil:
						t.Errorf("column %s has no smallest value", typ)
					case kind.Compare(v, kind.Kind().Value(s.MinValue)) < 0 || kind.Compare(v, kind.Kind().Value(s.MaxValue)) > 0:
						t.Errorf("column %s: %v is not between the smallest and the largest", typ, v)
					}
				}
			}
			if s.NullCount != nulls {
				t.Errorf("column %s: %d absent, want %d", typ, s.NullCount, nulls)
			}
		}
	}
}

// What lets readers read little is there, and nothing that older ones lack.
func TestForm(t *testing.T) {
	want := rows(70_000, 5)
	var out bytes.Buffer
	if err := write(t, &out, want); err != nil {
		t.Fatal(err)
	}
	f, err := reader.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if by := f.Metadata().CreatedBy; !strings.HasPrefix(by, "gapless version ") {
		t.Errorf("created by %q", by)
	}
	row := 0
	for g, group := range f.RowGroups() {
		meta := f.Metadata().RowGroups[g]
		if len(meta.SortingColumns) != 1 || meta.SortingColumns[0].ColumnIdx != 0 {
			t.Errorf("sorted by %v", meta.SortingColumns)
		}
		for i, chunk := range meta.Columns {
			for _, e := range chunk.MetaData.Encoding {
				if e != format.Plain && e != format.RLE && e != format.RLEDictionary {
					t.Errorf("column %s has the encoding %s", columns[i].Name, e)
				}
			}
			if chunk.MetaData.Codec != format.Zstd || chunk.ColumnIndexOffset == 0 || chunk.OffsetIndexOffset == 0 {
				t.Errorf("column %s: codec %s, no index of pages", columns[i].Name, chunk.MetaData.Codec)
			}
			if filter := group.ColumnChunks()[i].BloomFilter(); (filter != nil) != columns[i].Sought {
				t.Errorf("column %s: bloom filter %v", columns[i].Name, filter)
			} else if filter != nil {
				found(t, filter, i, want[row:row+int(meta.NumRows)])
			}
		}
		row += int(meta.NumRows)
	}
}

// found looks for the values of a column in a bloom filter, and for others.
func found(t *testing.T, filter reader.BloomFilter, column int, rows []row) {
	t.Helper()
	others := 0
	for _, r := range rows {
		text, ok := r[column].(string)
		if !ok {
			continue
		}
		if ok, err := filter.Check(reader.ByteArrayValue([]byte(text))); !ok || err != nil {
			t.Fatalf("column %s: %q is not found, %v", columns[column].Name, text, err)
		}
		if ok, _ := filter.Check(reader.ByteArrayValue([]byte("no " + text))); ok {
			others++
		}
	}
	if others > len(rows)/20 {
		t.Errorf("column %s: %d of %d values are found that are not there", columns[column].Name, others, len(rows))
	}
}

// The same rows give the same bytes, and large ones several row groups.
func TestDeterministic(t *testing.T) {
	all := rows(70_000, 3)
	var a, b bytes.Buffer
	if err := errors.Join(write(t, &a, all), write(t, &b, all)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("other bytes the second time")
	}
	f, err := reader.OpenFile(bytes.NewReader(a.Bytes()), int64(a.Len()))
	if err != nil || len(f.RowGroups()) != 2 {
		t.Errorf("%d row groups, %v", len(f.RowGroups()), err)
	}
}

// A writer that fails is told of, not later than by Close.
func TestWriteFails(t *testing.T) {
	for _, room := range []int{0, 3, 4, 5000, 100_000} {
		if err := write(t, &limited{left: room}, rows(70_000, 4)); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: error %v", room, err)
		}
	}
}

var errFull = errors.New("disk is full")

type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// A file with only the largest of what there is.
func TestExtremes(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 1<<20))
	want := []row{{int64(math.MaxInt64), int64(math.MinInt64), math.MaxFloat64, nil, long, "\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x3f\xff\xff\xff\xff", nil, long}}
	var out bytes.Buffer
	if err := write(t, &out, want); err != nil {
		t.Fatal(err)
	}
	f, err := reader.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, f); !cmp.Equal(want, got) {
		t.Errorf("(-want +got):\n%.2000s", cmp.Diff(want, got))
	}
}

// Rows that fill batches exactly leave none for the end. Of an empty batch the library
// would make a pointer of nothing, which shows with the race detector.
func TestBatchesAreFull(t *testing.T) {
	for _, n := range []int{0, 255, 256, 512} {
		want := rows(n, 5)
		var out bytes.Buffer
		if err := write(t, &out, want); err != nil {
			t.Fatal(err)
		}
		f, err := reader.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, f); !cmp.Equal(want, got) {
			t.Errorf("%d rows are read of %d", len(got), n)
		}
	}
}

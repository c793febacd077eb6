//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/e2e/nodes"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/readme"
	"gapless/testdata"
)

// The engines from PyPI that are asked each time.
var engines = map[string]string{"duckdb": "2.0.1", "polars": "2.1.0", "pyarrow": "26.0.1"}

// A lakeQuery is a question as testdata/engines.py takes it.
type lakeQuery struct {
	Table   string   `json:"table"`
	Where   []any    `json:"where"` // column, from, to
	Group   []string `json:"group"`
	Sum     []string `json:"sum"`
	Amounts []string `json:"amounts"`
}

var asks = []lakeQuery{
	{Table: "blocks", Sum: []string{"number", "gas_used", "transaction_count"}},
	{Table: "blocks", Where: []any{"number", 300, 799}, Sum: []string{"gas_used", "log_count"}},
	{Table: "transactions", Group: []string{"status"}, Sum: []string{"gas_used"}},
	{Table: "transactions", Group: []string{"from_address"}, Amounts: []string{"value"}},
	{Table: "transactions", Where: []any{"block_number", 100, 1200}, Group: []string{"type"}, Sum: []string{"cumulative_gas_used", "nonce"}},
	{Table: "logs", Group: []string{"topic0"}, Sum: []string{"log_index"}},
	{Table: "logs", Group: []string{"address", "topic1"}},
	{Table: "transfers", Group: []string{"token"}, Amounts: []string{"amount"}},
	{Table: "transfers", Group: []string{"standard", "to_address"}, Amounts: []string{"amount"}},
	{Table: "transfers", Where: []any{"block_number", 0, 700}, Group: []string{"from_address"}, Sum: []string{"batch_index"}, Amounts: []string{"amount"}},
}

// Each engine answers each question as the file does.
func TestEngines(t *testing.T) {
	c := testdata.Recording()
	server := httptest.NewServer(nodetest.New(c))
	defer server.Close()
	g := run(t, server.URL, "--until", fmt.Sprint(c.Last()))
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, g.log.tail())
	}
	folder := filepath.Join(t.TempDir(), "lake")
	export(t, g.db, "--out", folder, "--range", "200")
	var want [][][]string
	for _, a := range asks {
		want = append(want, a.ofFile(t, g.db))
	}
	for _, more := range strings.Fields(os.Getenv("GAPLESS_ENGINES")) { // NAME==VERSION, by .ci/engines
		engine, version, _ := strings.Cut(more, "==")
		engines[engine] = version
	}
	for _, engine := range slices.Sorted(maps.Keys(engines)) {
		t.Run(engine, func(t *testing.T) {
			got := answersOf(t, engine, folder, asks)
			for i := range asks {
				if diff := cmp.Diff(want[i], got[i]); diff != "" {
					t.Errorf("%+v (-file +%s):\n%s", asks[i], engine, diff)
				}
			}
		})
	}
}

// The queries of docs/lake.md that DuckDB understands work as they stand, and
// their sums are exact.
func TestLakeDocs(t *testing.T) {
	blocks, err := readme.Blocks("../..")
	if err != nil {
		t.Fatal(err)
	}
	db := hugeAmounts(t)
	folder := filepath.Join(t.TempDir(), "lake")
	export(t, db, "--out", folder)
	var queries []string
	for _, block := range blocks {
		if block.File != "docs/lake.md" || block.Language != "sql duckdb" && block.Language != "sql all" {
			continue
		}
		for _, q := range strings.Split(strings.ReplaceAll(block.Text, "'lake/", "'DIR/"), ";") {
			if strings.TrimSpace(q) != "" {
				queries = append(queries, q)
			}
		}
	}
	asked := len(queries)
	views := regexp.MustCompile(`CREATE VIEW (\w+)`).FindAllStringSubmatch(strings.Join(queries, ";"), -1)
	for _, v := range views {
		queries = append(queries, "SELECT count(*)::varchar FROM "+v[1])
	}
	answers := duckdb(t, folder, queries...)
	for i, v := range views {
		if rows := answers[asked+i]; rows[0][0] == "0" {
			t.Errorf("the view %s has no rows", v[1])
		}
	}
	q := lakeQuery{Table: "transfers", Where: []any{"standard", 20, 20}, Group: []string{"token"}, Amounts: []string{"amount"}}
	var want [][]string
	for _, row := range q.ofFile(t, db) {
		want = append(want, []string{row[0], row[2]})
	}
	if diff := cmp.Diff(want, answers[asked-2]); diff != "" {
		t.Errorf("exact sums (-file +DuckDB):\n%s", diff)
	}
	var joined [][]string
	for _, row := range answers[asked-1] {
		sum := new(big.Int)
		for _, part := range row[1:] {
			v, _ := new(big.Int).SetString(part, 10)
			sum.Add(sum.Mul(sum, limbEnd), v)
		}
		joined = append(joined, []string{row[0], sum.String()})
	}
	if diff := cmp.Diff(want, joined); diff != "" {
		t.Errorf("sums of limbs (-file +DuckDB):\n%s", diff)
	}
	for engine := range engines {
		if diff := cmp.Diff([][][]string{q.ofFile(t, db)}, answersOf(t, engine, folder, []lakeQuery{q})); diff != "" {
			t.Errorf("huge amounts (-file +%s):\n%s", engine, diff)
		}
	}
}

var limbEnd = new(big.Int).Exp(big.NewInt(10), big.NewInt(26), nil)

// hugeAmounts makes a file of a chain whose transfers have amounts of every size,
// and whose sums pass 38 and 78 digits.
func hugeAmounts(t *testing.T) string {
	t.Helper()
	c := devchain.Build(devchain.Spec{Blocks: 60, Transactions: 3, Logs: 2, Huge: true})
	server := httptest.NewServer(nodetest.New(c))
	defer server.Close()
	g := run(t, server.URL, "--until", fmt.Sprint(c.Last()))
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, g.log.tail())
	}
	return g.db
}

// DuckDB finds in the lake of each random history what is in its file.
func TestLakeHistories(t *testing.T) {
	kept := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "TestLakeModel", "../archive", "-lake-seeds", "20", "-lake-keep", kept)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	histories, err := filepath.Glob(filepath.Join(kept, "*"))
	if err != nil || len(histories) < 10 {
		t.Fatalf("%d histories, %v", len(histories), err)
	}
	for _, h := range histories {
		db := filepath.Join(h, "chain.db")
		bounds := sqlite(t, db, "SELECT MIN(number), MAX(number) FROM blocks")[0]
		var all []lakeQuery
		var want [][][]string
		for table, q := range map[string]lakeQuery{
			"blocks":       {Group: []string{"number", "hash"}, Sum: []string{"transaction_count"}},
			"transactions": {Group: []string{"block_number", "hash"}, Amounts: []string{"value"}},
			"logs":         {Group: []string{"block_number", "log_index", "topic1"}},
			"transfers":    {Group: []string{"block_number", "to_address"}, Amounts: []string{"amount"}},
		} {
			q.Table = table
			want = append(want, q.ofFile(t, db))
			q.Where = []any{q.Group[0], bounds[0], 1 << 40} // below is what the file has pruned
			all = append(all, q)
		}
		if diff := cmp.Diff(want, answersOf(t, "duckdb", filepath.Join(h, "lake"), all)); diff != "" {
			t.Errorf("%s (-file +DuckDB):\n%s", filepath.Base(h), diff)
		}
	}
}

// answersOf asks an engine.
func answersOf(t *testing.T, engine, folder string, asks []lakeQuery) (got [][][]string) {
	t.Helper()
	for i := range asks { // no null
		a := &asks[i]
		a.Group, a.Sum, a.Amounts = append([]string{}, a.Group...), append([]string{}, a.Sum...), append([]string{}, a.Amounts...)
	}
	text, err := json.Marshal(asks)
	if err != nil {
		t.Fatal(err)
	}
	python := nodes.Python(t, engine+"-"+engines[engine], engine+"=="+engines[engine])
	cmd := exec.CommandContext(t.Context(), python, "testdata/engines.py", engine, folder)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", engine, err, out)
	}
	return got
}

// ofFile answers a question from the file, in whole numbers of any size.
func (a lakeQuery) ofFile(t *testing.T, db string) (rows [][]string) {
	t.Helper()
	var columns []string
	for _, c := range a.Group {
		columns = append(columns, fmt.Sprintf("CASE typeof(%s) WHEN 'blob' THEN '0x' || lower(hex(%[1]s)) ELSE %[1]s END", c))
	}
	for _, c := range slices.Concat(a.Sum, a.Amounts) {
		columns = append(columns, fmt.Sprintf("IFNULL(CAST(%s AS TEXT), '0')", c))
	}
	query := "SELECT " + strings.Join(append(columns, "1"), ", ") + " FROM " + a.Table
	if a.Where != nil {
		query += fmt.Sprintf(" WHERE %v BETWEEN %v AND %v", a.Where...)
	}
	sums := make(map[string][]*big.Int) // by group: the count, then the sums
	for _, row := range sqlite(t, db, query) {
		group := strings.Join(row[:len(a.Group)], "\t")
		values := append([]string{"1"}, row[len(a.Group):len(row)-1]...)
		if sums[group] == nil {
			for range values {
				sums[group] = append(sums[group], new(big.Int))
			}
		}
		for i, text := range values {
			v, ok := new(big.Int).SetString(text, 10)
			if !ok {
				t.Fatalf("%s: %q", query, text)
			}
			sums[group][i].Add(sums[group][i], v)
		}
	}
	for group, values := range sums {
		var row []string
		if len(a.Group) > 0 {
			row = strings.Split(group, "\t")
		}
		for _, v := range values {
			row = append(row, v.String())
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

//go:build e2e && unix

package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/e2e/nodes"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/testdata"
)

const duckdbVersion = "1.5.6-r.1"

// duckdb answers queries, in which DIR stands for a folder, by DuckDB.
func duckdb(t *testing.T, folder string, queries ...string) (answers [][][]string) {
	t.Helper()
	for i := range queries {
		queries[i] = strings.ReplaceAll(queries[i], "DIR", folder)
	}
	asked, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "testdata/duckdb.cjs", nodes.Library(t, "@duckdb/node-api", duckdbVersion), string(asked))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return answers
}

// sqlite answers a query by SQLite.
func sqlite(t *testing.T, db, query string) (rows [][]string) {
	t.Helper()
	file, err := sql.Open("sqlite", "file:"+db+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	found, err := file.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	names, _ := found.Columns()
	rows = [][]string{}
	for found.Next() {
		values := make([]sql.NullString, len(names))
		at := make([]any, len(names))
		for i := range values {
			at[i] = &values[i]
		}
		if err := found.Scan(at...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(names))
		for i := range values {
			row[i] = values[i].String
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// Queries that SQLite and DuckDB answer alike, with TABLE for a table: the whole
// numbers of all columns that have them, and the hashes.
var sums = map[string]string{
	"blocks": `SELECT count(*), sum(number), sum(gas_limit), sum(gas_used), sum(timestamp), sum(size), sum(blob_gas_used),
		sum(transaction_count), sum(log_count), sum(uncle_count), sum(withdrawal_count), count(base_fee_per_gas), count(withdrawals_root) FROM TABLE`,
	"uncles": `SELECT count(*), sum(number), sum(gas_used), sum(timestamp) FROM TABLE`,
	"transactions": `SELECT count(*), sum(block_number), sum(transaction_index), sum(type), sum(nonce), sum(gas), sum(gas_used),
		sum(cumulative_gas_used), sum(status), sum(y_parity), min(v), max(v), count(to_address), count(contract_address), sum(log_count),
		count(DISTINCT from_address), count(DISTINCT hash), count(access_list) FROM TABLE`,
	"logs": `SELECT count(*), sum(block_number), sum(log_index), sum(transaction_index), count(topic0), count(topic3),
		count(DISTINCT address), count(DISTINCT topic0), count(DISTINCT data) FROM TABLE`,
	"withdrawals": `SELECT count(*), sum(block_number), sum(withdrawal_index), sum(validator_index), sum(amount), count(DISTINCT address) FROM TABLE`,
	"transfers": `SELECT count(*), sum(block_number), sum(batch_index), sum(standard), count(token_id), count(DISTINCT token),
		count(DISTINCT from_address), count(DISTINCT to_address) FROM TABLE`,
}

// quantities are columns of 256 bits, decimals those that DuckDB sums, too.
var (
	quantities = map[string][]string{
		"blocks":       {"difficulty", "base_fee_per_gas", "total_difficulty"},
		"transactions": {"value", "gas_price", "max_fee_per_gas", "max_priority_fee_per_gas", "effective_gas_price"},
		"transfers":    {"amount", "token_id"},
	}
	decimals = map[string]string{"transactions": "value", "transfers": "amount"}
)

// A question is asked of both: of DuckDB with TABLE for the files of a table, of
// SQLite with the table's name.
type question struct{ about, table, query string }

// sameSums compares a folder, read as one table for each, with the file.
func sameSums(t *testing.T, folder, db string) {
	t.Helper()
	var asked []question
	for table, query := range sums {
		asked = append(asked, question{table, table, query})
		for _, column := range quantities[table] {
			asked = append(asked, question{table + "." + column, table, fmt.Sprintf(
				"SELECT %s, count(*) FROM TABLE WHERE %[1]s IS NOT NULL GROUP BY %[1]s ORDER BY %[1]s", column)})
		}
	}
	for table, column := range decimals {
		asked = append(asked, question{"", table, fmt.Sprintf("SELECT sum(%s_decimal) FROM TABLE", column)})
	}
	var queries []string
	for _, q := range asked {
		files := fmt.Sprintf("read_parquet('DIR/%s/**/*.parquet', hive_partitioning = true)", q.table)
		queries = append(queries, strings.ReplaceAll(q.query, "TABLE", files))
	}
	answers := duckdb(t, folder, queries...)
	exact := make(map[string]string)
	for i, q := range asked {
		if q.about == "" {
			column := q.table + "." + decimals[q.table]
			if got := answers[i][0][0]; got != exact[column] {
				t.Errorf("%s: DuckDB's sum of decimals is %s, SQLite's %s", column, got, exact[column])
			}
			continue
		}
		want := sqlite(t, db, strings.ReplaceAll(q.query, "TABLE", q.table))
		if diff := cmp.Diff(want, answers[i]); diff != "" {
			t.Errorf("%s (-SQLite +DuckDB):\n%s", q.about, diff)
		}
		if q.about == q.table {
			t.Logf("%s: %s", q.table, strings.Join(want[0], " "))
		} else {
			exact[q.about] = total(t, want, 38)
		}
	}
}

// total is the sum of quantities that are there so many times, but for those that
// have more digits than given: a DECIMAL has 38.
func total(t *testing.T, rows [][]string, digits int) string {
	t.Helper()
	sum := new(big.Int)
	for _, row := range rows {
		if len(row[0]) > digits {
			continue
		}
		value, ok := new(big.Int).SetString(row[0], 10)
		times, err := strconv.ParseInt(row[1], 10, 64)
		if !ok || err != nil {
			t.Fatal(row)
		}
		sum.Add(sum, value.Mul(value, big.NewInt(times)))
	}
	return sum.String()
}

// DuckDB counts and sums what was exported as SQLite does, and opens no more files
// than it needs.
func TestDuckDB(t *testing.T) {
	blocks := 2000
	if text := os.Getenv("GAPLESS_DUCKDB_BLOCKS"); text != "" { // of 10 transactions each
		var err error
		if blocks, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]*recorded.Chain{
		"recorded":  testdata.Recording(),
		"generated": devchain.Build(devchain.Spec{Blocks: blocks, Transactions: 10, Logs: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(nodetest.New(c))
			defer server.Close()
			g := run(t, server.URL, "--until", fmt.Sprint(c.Last()))
			if code := g.wait(); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, g.log.tail())
			}
			folder := filepath.Join(t.TempDir(), "data")
			said := export(t, g.db, "--out", folder, "--range", fmt.Sprint(1+len(c.Blocks)/10))
			t.Logf("%s", said)
			sameSums(t, folder, g.db)
			if name == "recorded" {
				asReadme(t, folder, g.db)
			}
			pruned(t, folder, 1+len(c.Blocks)/10)
		})
	}
}

// asReadme asks DuckDB what README shows, of a token and an account that are
// there.
func asReadme(t *testing.T, folder, db string) {
	t.Helper()
	_, query, _ := strings.Cut(string(readmeBlock(t, "sql")), "-- DuckDB\n")
	query, _, _ = strings.Cut(query, "-- Spark")
	found := sqlite(t, db, `SELECT lower(hex(token)), lower(hex(to_address)) FROM transfers WHERE standard = 20
		GROUP BY token, to_address ORDER BY count(*) DESC LIMIT 1`)[0]
	token, account := found[0], found[1]
	amounts := sqlite(t, db, fmt.Sprintf(`SELECT amount, count(*) FROM transfers WHERE token = x'%s' AND to_address = x'%s' GROUP BY amount`, token, account))
	query = strings.NewReplacer("lake/", "DIR/", "7000000000000000000000000000000000000001", token,
		"00000000000000000000000000000000000000aa", account).Replace(query)
	if diff := cmp.Diff([][]string{{total(t, amounts, 78)}}, duckdb(t, folder, query)[0]); diff != "" {
		t.Errorf("README's query (-SQLite +DuckDB):\n%s", diff)
	}
}

func export(t *testing.T, db string, more ...string) []byte {
	t.Helper()
	args := append([]string{"export", "--format", "parquet", "--db", db}, more...)
	said, err := exec.Command(binary, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, said)
	}
	return said
}

// pruned asks for one range of ten by its folder.
func pruned(t *testing.T, folder string, size int) {
	t.Helper()
	of := fmt.Sprintf("SELECT count(*), min(number), max(number) FROM read_parquet('DIR/blocks/**/*.parquet', hive_partitioning = true) WHERE first_block = %d", 2*size)
	answers := duckdb(t, folder, of, "EXPLAIN ANALYZE "+of)
	want := []string{fmt.Sprint(size), fmt.Sprint(2 * size), fmt.Sprint(3*size - 1)}
	if diff := cmp.Diff([][]string{want}, answers[0]); diff != "" {
		t.Errorf("one range (-want +got):\n%s", diff)
	}
	if plan := fmt.Sprint(answers[1]); !strings.Contains(plan, "1/10") {
		t.Errorf("DuckDB's plan does not say that one file of ten is read:\n%s", plan)
	}
}

// What was added beside a program that indexes, and killed in between again and
// again, is the same.
func TestDuckDBFollows(t *testing.T) {
	fake := nodetest.New(testdata.Recording())
	fake.Head = 100
	server := httptest.NewServer(fake)
	defer server.Close()
	g := run(t, server.URL)
	g.says("msg=following", 1)
	folder := filepath.Join(t.TempDir(), "data")
	last := func() bool {
		found, _ := filepath.Glob(filepath.Join(folder, "blocks", "first_block=1500", "1500-1549-*.parquet"))
		return len(found) == 1
	}
	for kills := 0; ; kills++ {
		log := new(output)
		cmd := exec.Command(binary, "export", "--format", "parquet", "--db", g.db, "--out", folder, "--follow", "--range", "50", "--confirmations", "0")
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fake.Do(func(n *nodetest.Node) { n.Head = min(1600, n.Head+250) })
		g.eventually(func() error { // after a count, in the middle of the next one
			if !last() && strings.Count(log.String(), "wrote blocks") < 3 {
				return fmt.Errorf("it has written %s", log)
			}
			return nil
		})
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if last() {
			t.Logf("killed %d times", kills)
			break
		}
	}
	g.eventually(func() error {
		code := exec.Command(binary, "digest", "--db", g.db, "--to", "1600").Run()
		return code
	})
	g.stop()
	export(t, g.db, "--out", folder)
	once := filepath.Join(t.TempDir(), "once")
	export(t, g.db, "--out", once, "--range", "50")
	if out, err := exec.Command("diff", "-r", once, folder).CombinedOutput(); err != nil {
		t.Errorf("not what is written at once: %s", out)
	}
	sameSums(t, folder, g.db)
}

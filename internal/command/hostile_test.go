package command

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"modernc.org/sqlite"

	"gapless/internal/chain"
)

// theirs counts how often something in a hostile file was run: the function that
// SQLite knows here by that name.
var theirs atomic.Int64

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("theirs", -1, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		theirs.Add(1)
		return int64(1), nil
	})
}

// A hostileFile is what somebody did to a file of gapless.
type hostileFile struct {
	name string
	sql  string                      // what was run in it, the schema being writable
	edit func(content []byte) []byte // what was made of its bytes
	fine bool                        // all commands do their work, though a block is missing
}

const escapes = "\x1b[31m\x1b]0;title\a\u009b1m\u202eevil\rend"

// hostileFiles are made by kind.
func hostileFiles() (files []hostileFile) {
	add := func(name, sql string) { files = append(files, hostileFile{name: name, sql: sql}) }
	tables := []string{"chain", "blocks", "uncles", "transactions", "logs", "withdrawals", "transfers", "failed_blocks", "journal"}
	const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`
	for _, table := range tables {
		for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
			add("trigger/"+table+"/"+event, fmt.Sprintf(`CREATE TRIGGER "t%s" BEFORE %s ON %s BEGIN SELECT theirs(); SELECT RAISE(ABORT, '%[1]s'); END`, escapes, event, table))
		}
		for what, as := range map[string]string{
			"endless": endless, "function": `SELECT theirs() AS number`, "table": `SELECT * FROM old`, "itself": `SELECT * FROM ` + table,
		} {
			add("view/"+table+"/"+what, fmt.Sprintf(`ALTER TABLE %s RENAME TO old; CREATE VIEW %[1]s AS %s`, table, as))
		}
		add("dropped/"+table, `DROP TABLE `+table)
		add("virtual/"+table, fmt.Sprintf(`DROP TABLE %s; CREATE VIRTUAL TABLE %[1]s USING fts5(number, hash)`, table))
		add("text/"+table, fmt.Sprintf(`DROP TABLE %s; CREATE TABLE %[1]s (a TEXT)`, table))
		add("column/"+table, fmt.Sprintf(`ALTER TABLE %s ADD COLUMN theirs INTEGER AS (theirs())`, table))
		add("check/"+table, fmt.Sprintf(`UPDATE sqlite_schema SET sql = replace(sql, ' STRICT', '/**/ STRICT'), sql = replace(sql, 'NOT NULL', 'NOT NULL CHECK (theirs())') WHERE name = '%s'`, table))
		add("index/"+table, fmt.Sprintf(`INSERT INTO sqlite_schema VALUES ('index', 'theirs', '%s', (SELECT rootpage FROM sqlite_schema WHERE name = 'journal_by_kind'), 'CREATE INDEX theirs ON %[1]s (theirs())')`, table))
		add("root/"+table, fmt.Sprintf(`UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'blocks') WHERE name = '%s'`, table))
		add("nowhere/"+table, fmt.Sprintf(`UPDATE sqlite_schema SET rootpage = 4000000 WHERE name = '%s'`, table))
	}
	for _, shadow := range []string{"pragma_page_count", "pragma_freelist_count", "pragma_page_size", "pragma_user_version", "pragma_application_id", "pragma_auto_vacuum"} {
		add("shadow/"+shadow, fmt.Sprintf(`CREATE VIEW %s AS %s`, shadow, endless))
	}
	for _, column := range []string{
		"blocks.number", "blocks.timestamp", "blocks.gas_used", "blocks.size", "blocks.transaction_count", "blocks.log_count", "blocks.uncle_count",
		"blocks.withdrawal_count", "blocks.checks_passed", "blocks.checks_failed", "blocks.shape", "blocks.indexed_at",
		"transactions.id", "transactions.type", "transactions.log_count", "logs.id", "logs.block_number", "logs.transaction_index",
		"transfers.block_number", "transfers.log_index", "transfers.standard", "withdrawals.position", "uncles.block_number",
		"failed_blocks.block_number", "failed_blocks.retry_count", "failed_blocks.first_failed_at",
		"journal.seq", "journal.at", "journal.first_block", "journal.last_block",
		"chain.start_block", "chain.finalized_number", "chain.fork_block", "chain.created_at",
	} {
		table, name, _ := strings.Cut(column, ".")
		key := "rowid"
		if slices.Contains([]string{"transfers", "withdrawals", "uncles"}, table) {
			key = "block_number"
		}
		for what, value := range map[string]string{"max": "9223372036854775807", "far": "549755813887", "min": "-1"} {
			add("number/"+column+"/"+what, fmt.Sprintf(`UPDATE OR IGNORE %s SET %s = %s WHERE %[4]s = (SELECT max(%[4]s) FROM %[1]s)`, table, name, value, key))
		}
	}
	for _, column := range []string{
		"chain.client", "chain.chain_id", "failed_blocks.error_class", "failed_blocks.error_message", "blocks.difficulty", "blocks.extra", "blocks.total_difficulty",
		"transactions.value", "transactions.extra", "transactions.access_list", "logs.extra", "journal.detail", "transfers.amount", "transfers.token_id",
	} {
		table, name, _ := strings.Cut(column, ".")
		for what, value := range map[string]string{"escapes": fmt.Sprintf(`CAST(x'%x' AS TEXT)`, escapes), "bytes": `CAST(x'9b1bff00e280' AS TEXT)`} {
			add("text/"+column+"/"+what, fmt.Sprintf(`UPDATE %s SET %s = %s`, table, name, value))
		}
	}
	for _, column := range []string{"chain.epoch", "chain.genesis_hash", "blocks.hash", "blocks.parent_hash", "blocks.logs_bloom", "transactions.hash", "transactions.r", "logs.topic0", "logs.data"} {
		table, name, _ := strings.Cut(column, ".")
		for what, value := range map[string]string{"empty": `x''`, "long": `zeroblob(1000000)`} {
			add("bytes/"+column+"/"+what, fmt.Sprintf(`UPDATE %s SET %s = %s`, table, name, value))
		}
	}
	add("chains", `INSERT INTO chain SELECT 2, epoch, chain_id, genesis_hash, fork_block, fork_hash, start_block, client, created_at, finalized_number, finalized_hash, safe_number, safe_hash, wrong_allowed_at FROM chain`)
	add("nothing", `DELETE FROM chain`)
	for _, pragma := range []string{"application_id = 1", "user_version = 0", "user_version = -1", "user_version = 1", "user_version = 99"} {
		add("pragma/"+pragma, "PRAGMA "+pragma)
	}
	add("name", fmt.Sprintf(`CREATE TABLE "%s" (a); CREATE TRIGGER "x%[1]s" AFTER INSERT ON blocks BEGIN SELECT 1; END`, escapes))
	add("schema", fmt.Sprintf(`UPDATE sqlite_schema SET sql = 'CREATE TABLE %s' WHERE name = 'blocks'`, escapes))
	files = append(files, hostileFile{name: "friendly", fine: true, sql: `CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER);
		CREATE VIEW mine AS SELECT theirs() FROM blocks; CREATE TABLE notes (n INTEGER, twice INTEGER AS (2 * n)); CREATE INDEX notes_by_n ON notes (n); CREATE INDEX by_miner ON blocks (miner)`})
	return append(files, otherBytes()...)
}

// otherBytes are files of which bytes are others.
func otherBytes() (files []hostileFile) {
	for at := 16; at < 100; at += 4 { // the file's header
		files = append(files, hostileFile{name: fmt.Sprint("byte/", at), edit: func(content []byte) []byte {
			content[at] ^= 0xff
			return content
		}})
	}
	for page := range 12 {
		files = append(files, hostileFile{name: fmt.Sprint("page/", page), edit: func(content []byte) []byte {
			for i := page*8192 + 100; i < min((page+1)*8192, len(content)); i += 3 {
				content[i] ^= byte(i)
			}
			return content
		}})
	}
	for _, length := range []int{1, 99, 100, 512, 8192, 8193, 50_000} {
		files = append(files, hostileFile{name: fmt.Sprint("length/", length), edit: func(content []byte) []byte { return content[:length] }})
	}
	return files
}

// make makes the file.
func (h hostileFile) make(t *testing.T, content []byte, path string) {
	t.Helper()
	if h.edit != nil {
		content = h.edit(append([]byte(nil), content...))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if h.sql == "" {
		return
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=writable_schema(1)&_pragma=legacy_alter_table(1)&_pragma=ignore_check_constraints(1)&_pragma=journal_mode(DELETE)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), h.sql); err != nil {
		t.Fatalf("%s: %v", h.sql, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// hostilePatience is how long a command may take with a file of 30 blocks. It is made for
// machines that do much else meanwhile.
const hostilePatience = time.Minute

// Whatever is in a file, a command ends soon, does not panic, says in one message
// what is wrong, writes nothing raw to a terminal, and runs nothing that is in it.
func TestHostileFiles(t *testing.T) {
	folder := t.TempDir()
	_, url := serve(t, 40)
	due := failure(7, chain.BlockError, "lost", 3)
	due.NextAt = due.At
	base, err := os.ReadFile(writeFile(t, 30, due))
	if err != nil {
		t.Fatal(err)
	}
	files := hostileFiles()
	if len(files) < 200 {
		t.Errorf("only %d files", len(files))
	}
	for i, file := range files {
		if (testing.Short() || underRace) && i%5 != 0 && !file.fine {
			continue
		}
		t.Run(file.name, func(t *testing.T) {
			path := filepath.Join(folder, fmt.Sprint(i, ".db"))
			file.make(t, base, path)
			before := theirs.Load() // SQLite has run some of it to change the file
			for _, args := range [][]string{
				{"status", "--db", path}, {"verify", "--db", path}, {"digest", "--db", path},
				{"export", "--format", "jsonl", "--db", path}, {"replay", path, "--listen", "127.0.0.1:0", "--", "true"}, {"backup", "--db", path, path + ".copy"},
				{"run", "--db", path, "--rpc", url, "--until", "35", "--listen", "off"},
			} {
				h := hostileRun{t, file, args}
				h.run()
			}
			if ran := theirs.Load() - before; ran != 0 {
				t.Errorf("it ran what is in the file %d times", ran)
			}
		})
	}
}

// A hostileRun is a command that runs on a hostile file.
type hostileRun struct {
	*testing.T
	file hostileFile
	args []string
}

func (h hostileRun) run() {
	var stdout, stderr text
	ctx, stop := context.WithTimeout(h.Context(), hostilePatience)
	defer stop()
	code := Main(ctx, h.args, &stdout, &stderr)
	if ctx.Err() != nil {
		h.Errorf("%s hangs: %.2000s", h.args[0], stderr.String())
	}
	if h.file.fine && code != exitDone && code != exitIncomplete {
		h.Errorf("%s: exit %d: %s", h.args[0], code, stderr.String())
	}
	said := stderr.String()
	if h.args[0] != "export" { // which gives data
		said += stdout.String()
	}
	if at := strings.IndexFunc(said, func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	}); at >= 0 {
		h.Errorf("%s: %q is written raw", h.args[0], said[at:min(at+20, len(said))])
	}
	if code != exitDone {
		h.oneMessage(code, stderr.String())
	}
}

// oneMessage wants a message that a person can read.
func (h hostileRun) oneMessage(code int, said string) {
	messages := 0
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "gapless: ") {
			messages++
		}
	}
	for _, bad := range []string{"Scan error", "sql:", "goroutine", "%!"} {
		if strings.Contains(said, bad) {
			h.Errorf("%s: exit %d: %q in: %s", h.args[0], code, bad, said)
		}
	}
	if messages != 1 || len(said) > 10_000 {
		h.Errorf("%s: exit %d: %.3000s", h.args[0], code, said)
	}
}

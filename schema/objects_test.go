package schema_test

import (
	"errors"
	"strings"
	"testing"

	"gapless/schema"
)

// What somebody changed in a file of gapless is found before anything of it runs,
// and the error says what it is.
func TestAltered(t *testing.T) {
	const text = `PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = `
	for _, tt := range []struct{ sql, want string }{
		{`CREATE TRIGGER t1 AFTER INSERT ON blocks BEGIN SELECT 1; END; CREATE TRIGGER "a b" AFTER DELETE ON logs BEGIN SELECT 1; END`, `it has triggers, which would run when it is written to: "a b", "t1"`},
		{`CREATE TABLE other (a); CREATE TRIGGER t1 AFTER INSERT ON other BEGIN SELECT 1; END`, `triggers`},
		{`DROP TABLE logs`, `there is no table logs`},
		{`DROP TABLE logs; CREATE VIEW logs AS SELECT 1`, `logs is of kind "view", and not "table"`},
		{`DROP VIEW missing; CREATE TABLE missing (a)`, `missing is of kind "table", and not "view"`},
		{`ALTER TABLE blocks ADD COLUMN note TEXT`, `the table blocks is another`},
		{`ALTER TABLE blocks RENAME COLUMN hash TO h`, `the table blocks is another`},
		{text + `replace(sql, 'AS (substr(topic0, 1, 4))', 'AS (zeroblob(1000000000))') WHERE name = 'logs'`, `the table logs is another`},
		{text + `replace(sql, 'length(hash) = 32', 'mine(hash)') WHERE name = 'blocks'`, `the table blocks is another`},
		{`DROP INDEX blocks_by_hash; CREATE INDEX blocks_by_hash ON blocks (miner)`, `the index blocks_by_hash is another`},
		{`DROP INDEX blocks_by_hash; CREATE TABLE blocks_by_hash (hash)`, `blocks_by_hash is of kind "table", and not "index"`},
		{`CREATE INDEX mine ON blocks (hex(zeroblob(length(miner))))`, `the index "mine" computes something`},
		{`CREATE VIEW pragma_page_count AS SELECT 1 AS page_count`, `"pragma_page_count" stands for a part of SQLite`},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			path := newFile(t)
			alter := open(t, path)
			if err := schema.All().Migrate(t.Context(), alter); err != nil {
				t.Fatal(err)
			}
			if _, err := alter.ExecContext(t.Context(), tt.sql); err != nil {
				t.Fatal(err)
			}
			for _, try := range []func() error{
				func() error { _, err := schema.All().Version(t.Context(), open(t, path)); return err },
				func() error { return schema.All().Migrate(t.Context(), open(t, path)) },
			} {
				if err := try(); !errors.Is(err, schema.ErrAltered) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %s", err, tt.want)
				}
			}
		})
	}
}

// What is somebody's own and does nothing may stay, an index may come later, and
// how a statement is written does not matter.
func TestNotAltered(t *testing.T) {
	for _, sql := range []string{
		`CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER)`,
		`CREATE VIEW mine AS SELECT number FROM blocks`,
		`CREATE INDEX mine ON logs (topic1) WHERE topic1 IS NOT NULL`,
		`CREATE TABLE mine (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT UNIQUE); CREATE INDEX mine_by ON mine (lower(b)); ANALYZE`,
		`DROP INDEX blocks_by_hash; DROP INDEX logs_by_topic; DROP VIEW missing`,
		`PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(replace(sql, 'INTEGER', '  integer /* a number */'), 'blocks', '"blocks"') WHERE name = 'blocks'`,
	} {
		t.Run(sql, func(t *testing.T) {
			path := newFile(t)
			conn := open(t, path)
			if err := schema.All().Migrate(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			if version, err := schema.All().Version(t.Context(), open(t, path)); version != schema.All().Last() || err != nil {
				t.Errorf("schema %d, %v", version, err)
			}
		})
	}
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"gapless/internal/chain"
	"gapless/schema"
)

// A Canonical is a file in the making that depends on nothing but the blocks
// that are written to it, and which of them are finalized and safe: the same
// identity, blocks, verdicts and tags give the same bytes. It has no journal, no
// failures, and zero for all times; its epoch is the beginning of the last block's
// hash. It is in rollback-journal mode. Its methods are for one goroutine.
type Canonical struct {
	db      *sql.DB
	conn    *sql.Conn
	id      Identity
	rows    *rows
	indexes []index
	last    Tag
	wrong   bool // a block of which a check failed was written
	exempt  chain.Exemptions
}

// NewCanonical makes a file at path, where nothing or an empty file is. Its blocks
// begin with id.Start; of id, the epoch does not count. The file is nothing before
// Finish has returned, and it is for the caller to sync and name it, or to
// remove it.
func NewCanonical(ctx context.Context, path string, id Identity) (*Canonical, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "new"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	c := &Canonical{db: db, id: id}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", path, explain(err)), c.Close())
	}
	return c, nil
}

// begin makes the tables. The indexes come last, from sorted rows, which is
// quicker and leaves no page half full. A journal is of no use to a file that
// is thrown away if anything fails.
func (c *Canonical) begin(ctx context.Context) (err error) {
	if c.conn, err = c.db.Conn(ctx); err != nil {
		return err
	}
	for _, pragma := range []string{
		`page_size = 8192`, `journal_mode = OFF`, `synchronous = OFF`, `locking_mode = EXCLUSIVE`, `cache_size = -65536`,
	} {
		if err := c.exec(ctx, `PRAGMA `+pragma); err != nil {
			return err
		}
	}
	if err := schema.All().Migrate(ctx, c.conn); err != nil {
		return err
	}
	if err := c.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := c.dropIndexes(ctx); err != nil {
		return err
	}
	c.rows = newRows(c.conn)
	return nil
}

// dropIndexes drops the indexes, and keeps how they are made.
func (c *Canonical) dropIndexes(ctx context.Context) (err error) {
	if c.indexes, err = readIndexes(ctx, c.conn); err != nil {
		return err
	}
	for _, i := range c.indexes {
		if err := c.exec(ctx, `DROP INDEX `+i.name); err != nil {
			return err
		}
	}
	return nil
}

// Add writes a block with its verdict. Blocks come in order, without a gap.
func (c *Canonical) Add(b *chain.Block) error {
	c.last = Tag{b.Number, b.Hash}
	c.wrong = c.wrong || b.Verdict.Failed != 0
	return explain(c.rows.insert(b, 0))
}

// Exempt keeps what can't be computed on the chain.
func (c *Canonical) Exempt(exempt chain.Exemptions) { c.exempt = exempt }

// Finish completes the file. What is finalized and safe, nil if it is not known,
// is kept if it is not above the last block. Close is still to be called.
func (c *Canonical) Finish(ctx context.Context, finalized, safe *Tag) error {
	forkBlock, forkHash := c.id.Fork.columns()
	finalNumber, finalHash := c.below(finalized).columns()
	safeNumber, safeHash := c.below(safe).columns()
	_, err := c.conn.ExecContext(ctx, `INSERT INTO chain (id, epoch, chain_id, genesis_hash, fork_block, fork_hash, start_block, client, created_at,
			finalized_number, finalized_hash, safe_number, safe_hash)
		VALUES (1, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
		c.last.Hash[:8], strconv.FormatUint(c.id.ChainID, 10), c.id.Genesis[:], forkBlock, forkHash, int64(c.id.Start), c.id.Client,
		finalNumber, finalHash, safeNumber, safeHash)
	if err != nil {
		return explain(err)
	}
	for _, e := range c.exempt {
		_, err := c.conn.ExecContext(ctx, `INSERT INTO exemptions (check_bit, about, from_block, decided_at) VALUES (?, ?, ?, 0)`,
			int64(e.Check), e.About, clamp(e.From))
		if err != nil {
			return explain(err)
		}
	}
	if c.wrong {
		if err := c.exec(ctx, `UPDATE chain SET wrong_allowed_at = 0`); err != nil {
			return explain(err)
		}
	}
	for _, i := range c.indexes {
		if err := c.exec(ctx, i.sql); err != nil {
			return explain(err)
		}
	}
	return explain(c.exec(ctx, `COMMIT`))
}

// below gives a tag that is not above the last block, else nil.
func (c *Canonical) below(t *Tag) *Tag {
	if t == nil || t.Number > c.last.Number {
		return nil
	}
	return t
}

func (c *Canonical) exec(ctx context.Context, query string) error {
	_, err := c.conn.ExecContext(ctx, query)
	return err
}

// Close closes the file.
func (c *Canonical) Close() error {
	c.rows.close()
	if c.conn != nil {
		_ = c.conn.Close() // gives it back to db
	}
	return c.db.Close()
}

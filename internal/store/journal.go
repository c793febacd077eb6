package store

import (
	"context"
	"encoding/json"
	"time"

	"gapless/internal/chain"
)

// The kinds of journal rows.
const (
	kindBlocks = "blocks"
	kindFailed = "failed"
	kindFilled = "filled"
	kindReorg  = "reorg"
	kindReset  = "reset"
)

// journalKept is how many rows of kind blocks are kept, at least.
const journalKept = 100_000

// journalEntries adds a row for each run of blocks and for each failure.
func (w *writer) journalEntries(entries []Entry) error {
	added := int64(0)
	for i := 0; i < len(entries); added++ {
		run := i
		for run < len(entries) && entries[run].Block != nil {
			run++
		}
		var err error
		if run > i {
			err = w.journal(kindBlocks, entries[i].Number(), entries[run-1].Number(), nil)
			i = run
		} else {
			f := entries[i].Failure
			err = w.journal(kindFailed, f.Number, f.Number, failedDetail{Class: f.Class, Message: f.Message})
			i++
		}
		if err != nil {
			return err
		}
	}
	return w.pruneJournal(added)
}

// failedDetail is the journal's JSON for a failure.
type failedDetail struct {
	Class   chain.Class `json:"class"`
	Message string      `json:"message"`
}

// resetDetail is the journal's JSON for a reset.
type resetDetail struct {
	File string `json:"file"` // name of the file that has the chain before
}

func (w *writer) journal(kind string, first, last uint64, detail any) error {
	var text any
	if detail != nil {
		encoded, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		text = string(encoded)
	}
	return w.exec(`INSERT INTO journal (kind, at, first_block, last_block, detail) VALUES (?, ?, ?, ?, ?)`,
		kind, now(), int64(first), int64(last), text)
}

// pruneJournal drops old rows of kind blocks, which only repeat what blocks
// says. It works once in a while, so that most commits pay nothing.
func (w *writer) pruneJournal(added int64) error {
	var last int64
	if _, err := w.get(`SELECT IFNULL(MAX(seq), 0) FROM journal`, nil, []any{&last}); err != nil {
		return err
	}
	if last%1000 >= added || last <= journalKept {
		return nil
	}
	return w.exec(`DELETE FROM journal WHERE kind = ? AND seq <= ?`, kindBlocks, last-journalKept)
}

// A JournalRow is one thing that happened to the file.
type JournalRow struct {
	Seq         int64
	Kind        string // blocks, failed, filled, reorg or reset
	At          time.Time
	First, Last uint64
	Detail      string // JSON, or empty
}

// JournalAfter gives up to limit rows after a sequence number, in order.
func (r *Reader) JournalAfter(ctx context.Context, seq int64, limit int) ([]JournalRow, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT seq, kind, at, first_block, last_block, IFNULL(detail, '')
		FROM journal WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var found []JournalRow
	for rows.Next() {
		var j JournalRow
		var at int64
		if err := rows.Scan(&j.Seq, &j.Kind, &at, integer{&j.First}, integer{&j.Last}, &j.Detail); err != nil {
			return nil, err
		}
		j.At = time.UnixMilli(at)
		found = append(found, j)
	}
	return found, explain(rows.Err())
}

// JournalEnd is the sequence number of the journal's last row, 0 if it is
// empty.
func (r *Reader) JournalEnd(ctx context.Context) (seq int64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT IFNULL(MAX(seq), 0) FROM journal`).Scan(&seq)
	return seq, explain(err)
}

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
	kindPruned = "pruned"
)

// journalKept is how many rows are kept as they were written, at least. Past
// them, rows of kind blocks are merged, so many rows at a time.
const (
	journalKept  = 100_000
	journalMerge = 1000
)

// journalEntries adds a row for each run of blocks and for each failure.
func (w *writer) journalEntries(entries []Entry) error {
	for i := 0; i < len(entries); {
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
	return nil
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
	var seq int64
	_, err := w.get(`INSERT INTO journal (kind, at, first_block, last_block, detail) VALUES (?, ?, ?, ?, ?) RETURNING seq`,
		[]any{kind, now(), int64(first), int64(last), text}, []any{&seq})
	if err == nil && seq > journalKept && seq%journalMerge == 0 {
		err = w.mergeJournal(seq - journalKept)
	}
	return err
}

// A blocksRow is a row of kind blocks.
type blocksRow struct{ seq, first, last int64 }

// mergeJournal makes one row of neighbours of kind blocks, up to a sequence
// number: the last of them, which then stands for all. Whoever has got to one of
// the others is told of some blocks again, and misses none.
func (w *writer) mergeJournal(last int64) error {
	rows, err := w.blocksRows(last-journalMerge, last)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].seq == rows[n-1].seq+1 && rows[n].first == rows[n-1].last+1 {
			n++
		}
		if err := w.mergeRows(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// blocksRows gives the rows of kind blocks that have sequence numbers from
// first, or follow on from each other there, to last.
func (w *writer) blocksRows(first, last int64) (found []blocksRow, err error) {
	s, err := w.prepared(`SELECT seq, first_block, last_block FROM journal WHERE kind = ? AND seq BETWEEN ? AND ? ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(kindBlocks, first, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r blocksRow
		if err := rows.Scan(&r.seq, &r.first, &r.last); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

func (w *writer) mergeRows(rows []blocksRow) error {
	first, last := rows[0], rows[len(rows)-1]
	if first == last {
		return nil
	}
	if err := w.exec(`DELETE FROM journal WHERE seq >= ? AND seq < ?`, first.seq, last.seq); err != nil {
		return err
	}
	return w.exec(`UPDATE journal SET first_block = ? WHERE seq = ?`, first.first, last.seq)
}

// A JournalRow is one thing that happened to the file.
type JournalRow struct {
	Seq         int64
	Kind        string // blocks, failed, filled, reorg, reset or pruned
	At          time.Time
	First, Last uint64
	Detail      string // JSON, or empty
}

// JournalAfter gives up to limit rows after a sequence number, in order.
func (r *Reader) JournalAfter(ctx context.Context, seq int64, limit int) ([]JournalRow, error) {
	return listRows(ctx, r, journalColumns, `FROM journal WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
}

func journalColumns(j *JournalRow) []column {
	return []column{
		{"seq", &j.Seq},
		{"kind", &j.Kind},
		{"at", milliseconds{&j.At}},
		{"first_block", integer{&j.First}},
		{"last_block", integer{&j.Last}},
		{"IFNULL(detail, '')", &j.Detail},
	}
}

// JournalBefore gives up to limit rows below a sequence number, the last first;
// of one kind, if that is not empty.
func (r *Reader) JournalBefore(ctx context.Context, seq int64, kind string, limit int) ([]JournalRow, error) {
	if kind == "" {
		return listRows(ctx, r, journalColumns, `FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT ?`, seq, limit)
	}
	return listRows(ctx, r, journalColumns, `FROM journal WHERE kind = ? AND seq < ? ORDER BY seq DESC LIMIT ?`, kind, seq, limit)
}

// JournalEnd is the sequence number of the journal's last row, 0 if it is
// empty.
func (r *Reader) JournalEnd(ctx context.Context) (seq int64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT IFNULL(MAX(seq), 0) FROM journal`).Scan(&seq)
	return seq, explain(err)
}

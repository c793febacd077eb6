package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A Status is all that is said of an index at one moment. What only the running
// process knows is absent when it was read from the file alone.
type Status struct {
	State      string     `json:"state"` // what the process does, in words
	Ready      bool       `json:"ready"`
	NotReady   string     `json:"not_ready_because,omitempty"`
	Process    *Process   `json:"process,omitempty"`
	File       File       `json:"file"`
	Chain      *Chain     `json:"chain,omitempty"` // absent while the file is new
	Head       *Head      `json:"head,omitempty"`  // the highest stored block
	Next       uint64     `json:"next_block"`      // the number that is indexed next
	ChainHead  *uint64    `json:"chain_head,omitempty"`
	Lag        *uint64    `json:"lag_blocks,omitempty"`
	NodeBehind bool       `json:"node_behind,omitempty"` // its head is below the file's, and it is waited for
	Rate       float64    `json:"blocks_per_second"`
	AnsweredAt time.Time  `json:"last_answer_at,omitzero"` // of the node, about its head
	Missing    Missing    `json:"missing"`
	Endpoints  []Endpoint `json:"endpoints,omitempty"`
	Calls      *Calls     `json:"daily_calls,omitempty"` // absent without a limit
	Growth     *Growth    `json:"growth,omitempty"`      // only where gapless status tells it
	Exempt     []Exempt   `json:"not_computable_checks,omitempty"`
	Wrong      []Wrong    `json:"failed_checks,omitempty"`
	Postponed  bool       `json:"indexes_postponed,omitempty"` // those by address, topic and token come after the first sync
}

// Calls are those to all nodes that a UTC day has.
type Calls struct {
	Limit    int       `json:"limit"`
	Used     int       `json:"used"` // since 00:00 UTC, or since the process began if that was later
	Left     int       `json:"left"`
	ResetsAt time.Time `json:"resets_at"` // 00:00 UTC

	PacedSince time.Time `json:"paced_since,omitzero"`     // since when calls wait so that those of the day last
	Needed     int       `json:"needed_a_day,omitempty"`   // to follow the chain, at its pace of the last hours
	Outgrown   bool      `json:"chain_outgrows,omitempty"` // that is more than there are
}

// A Growth estimates what the file will take, by the pace of its last blocks.
type Growth struct {
	Blocks int   `json:"blocks"` // so many
	Day    int64 `json:"bytes_per_day"`
	Year   int64 `json:"bytes_per_year"`
}

// An Exempt is a check that can't be computed on the file's chain.
type Exempt struct {
	Check  string `json:"check"`
	About  string `json:"about,omitempty"` // a transaction type, a key, or what objects lack
	From   uint64 `json:"from_block"`
	Blocks uint64 `json:"blocks"` // stored ones of which the check can't be computed, whatever it is about
}

// A Wrong is a check that failed for blocks that are stored all the same, as
// --verify warn does.
type Wrong struct {
	Check  string `json:"check"`
	Blocks uint64 `json:"blocks"`
}

// A Process is the one that has the file open for writing.
type Process struct {
	ID        int       `json:"pid"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Page      string    `json:"page,omitempty"` // URL
}

// A File is the database file.
type File struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	WAL   int64  `json:"wal_bytes"` // of the -wal beside it
}

// A Chain is which chain the file is of.
type Chain struct {
	ID      uint64      `json:"chain_id"`
	Genesis common.Hash `json:"genesis_hash"`
	Client  string      `json:"client"` // of the first node
	Start   uint64      `json:"start_block"`
	Epoch   string      `json:"epoch"` // names the file in event ids
}

// A Head is a stored block.
type Head struct {
	Number       uint64      `json:"number"`
	Hash         common.Hash `json:"hash"`
	Timestamp    uint64      `json:"timestamp"` // unix seconds, as the header has it
	Transactions int         `json:"transactions"`
	IndexedAt    time.Time   `json:"indexed_at"`
}

// Missing sums up the blocks that are missing.
type Missing struct {
	Count   int       `json:"count"`
	Skipped int       `json:"skipped"` // of Count
	Oldest  time.Time `json:"oldest_failed_at,omitzero"`
	NextAt  time.Time `json:"next_retry_at,omitzero"`
	Trouble *Failed   `json:"trouble,omitempty"` // the lowest that is retried
}

// An Endpoint is where a node is asked.
type Endpoint struct {
	Label     string    `json:"endpoint"`
	Up        bool      `json:"up"`
	Since     time.Time `json:"since,omitzero"`
	Class     string    `json:"class,omitempty"`
	Error     string    `json:"error,omitempty"`
	WebSocket bool      `json:"websocket"`
	Rate      float64   `json:"calls_per_second_limit,omitempty"`

	// What was learnt of it; gone with the process.
	Batch       int       `json:"calls_per_request"`
	Receipts    string    `json:"receipts_method"`
	Leads       bool      `json:"leads"`                        // heads and headers come from there
	Head        uint64    `json:"head,omitempty"`               // highest block that it told of
	Behind      bool      `json:"behind,omitempty"`             // more than two blocks below another
	Lowest      uint64    `json:"lowest,omitempty"`             // what is below is pruned there
	PausedUntil time.Time `json:"paused_until,omitzero"`        // as it asked for
	DisputedAt  uint64    `json:"disagrees_at_block,omitempty"` // where it has another block than the one that leads
	Awaited     *Awaited  `json:"awaited,omitempty"`            // the answer that it has not given for the longest; absent: none is late
}

// An Awaited is an answer of a node that does not come.
type Awaited struct {
	For   string    `json:"for"` // a block, or a method
	Since time.Time `json:"since"`
}

// String says what is waited for, and since when.
func (a Awaited) String() string {
	return fmt.Sprintf("no answer for %s since %s UTC", a.For, a.Since.UTC().Format(time.TimeOnly))
}

// moment gives a time as all answers have it: in UTC, or zero.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// FromFile reads what the file says. It counts no rows: Missing has only its
// Trouble.
func FromFile(ctx context.Context, r *store.Reader) (Status, error) {
	s := Status{File: File{Path: r.Path(), Bytes: size(r.Path()), WAL: size(r.Path() + "-wal")}}
	id, err := r.Identity(ctx)
	if errors.Is(err, store.ErrNoChain) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if s.Next, err = r.Next(ctx); errors.Is(err, store.ErrNoChain) {
		return s, nil // a rotation has come between
	}
	if err != nil {
		return s, err
	}
	s.Chain = &Chain{ID: id.ChainID, Genesis: id.Genesis, Client: id.Client, Start: id.Start, Epoch: fmt.Sprintf("%x", id.Epoch)}
	if s.Postponed, err = r.Postponed(ctx); err != nil {
		return s, err
	}
	if err := s.countUnproved(ctx, r); err != nil {
		return s, err
	}
	latest, err := r.Latest(ctx)
	if err != nil {
		return s, err
	}
	if latest != nil {
		s.Head = &Head{
			Number: latest.Number, Hash: latest.Hash, Timestamp: latest.Timestamp,
			Transactions: latest.Transactions, IndexedAt: latest.IndexedAt.UTC(),
		}
	}
	s.Missing.Trouble, err = trouble(ctx, r)
	return s, err
}

// countUnproved says of which blocks not all checks have passed.
func (s *Status) countUnproved(ctx context.Context, r *store.Reader) error {
	exempt, err := r.Exemptions(ctx)
	if err != nil {
		return err
	}
	u, err := r.Unproved(ctx)
	if err != nil {
		return err
	}
	for _, e := range exempt {
		s.Exempt = append(s.Exempt, Exempt{e.Check.String(), e.About, e.From, u.NotComputable[e.Check]})
	}
	for _, check := range slices.Sorted(maps.Keys(u.Failed)) {
		s.Wrong = append(s.Wrong, Wrong{check.String(), u.Failed[check]})
	}
	return nil
}

// trouble gives the lowest missing block that is not skipped, or else the
// lowest; nil if none is missing.
func trouble(ctx context.Context, r *store.Reader) (*Failed, error) {
	const most = 100 // past that many skipped ones, the first will do
	rows, err := r.FailedFrom(ctx, 0, most)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	row := &rows[0]
	for i := range rows {
		if !rows[i].Skipped() {
			row = &rows[i]
			break
		}
	}
	f := NewFailed(row)
	return &f, nil
}

// CountMissing sums up the rows of failed_blocks one by one, for when no
// process can tell.
func CountMissing(ctx context.Context, r *store.Reader) (m Missing, err error) {
	err = r.EachDue(ctx, func(d store.Due) {
		m.Count++
		if m.Oldest.IsZero() || d.FirstFailedAt.Before(m.Oldest) {
			m.Oldest = d.FirstFailedAt.UTC()
		}
		switch {
		case d.NextRetryAt.IsZero():
			m.Skipped++
		case m.NextAt.IsZero() || d.NextRetryAt.Before(m.NextAt):
			m.NextAt = d.NextRetryAt.UTC()
		}
	})
	return m, err
}

// size is a file's length, 0 if it isn't there.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

package rest

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"gapless/internal/store"
)

// A JournalEntry is one thing that happened to the file.
type JournalEntry struct {
	Seq    int64           `json:"seq"`
	Kind   string          `json:"kind"` // blocks, failed, filled, reorg or reset
	At     time.Time       `json:"at"`
	First  uint64          `json:"first_block"`
	Last   uint64          `json:"last_block"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

func newJournalEntry(j *store.JournalRow) JournalEntry {
	return JournalEntry{
		Seq: j.Seq, Kind: j.Kind, At: j.At.UTC(), First: j.First, Last: j.Last, Detail: json.RawMessage(j.Detail),
	}
}

func (h *Handler) journal(ctx context.Context, q *question) (any, error) {
	limit, before := q.limit(), q.number("cursor", LastBlock, 0, LastBlock)
	kind := q.word("kind", "", "blocks", "failed", "filled", "reorg", "reset", "pruned")
	if err := q.done(); err != nil {
		return nil, err
	}
	found, err := h.Store.JournalBefore(ctx, int64(before), kind, limit+1)
	return newPage(found, limit, newJournalEntry, func(j *store.JournalRow) string {
		return strconv.FormatInt(j.Seq, 10)
	}), err
}

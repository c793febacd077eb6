package rest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A Failed is a row of failed_blocks.
type Failed struct {
	Number        uint64      `json:"block_number"`
	Class         chain.Class `json:"error_class"`
	Message       string      `json:"error_message"`
	RetryCount    int         `json:"retry_count"`
	FirstFailedAt time.Time   `json:"first_failed_at"`
	LastFailedAt  time.Time   `json:"last_failed_at"`
	NextRetryAt   time.Time   `json:"next_retry_at,omitzero"`
	SkippedAt     time.Time   `json:"skipped_at,omitzero"`
	SkipReason    string      `json:"skip_reason,omitempty"`
}

// NewFailed tells of a row.
func NewFailed(f *store.Failed) Failed {
	return Failed{
		Number: f.Number, Class: f.Class, Message: f.Message, RetryCount: f.RetryCount,
		FirstFailedAt: moment(f.FirstFailedAt), LastFailedAt: moment(f.LastFailedAt),
		NextRetryAt: moment(f.NextRetryAt), SkippedAt: moment(f.SkippedAt), SkipReason: f.SkipReason,
	}
}

// String says in one line what is the matter with the block.
func (f Failed) String() string {
	text := fmt.Sprintf("block %d is missing (%s: %s) after %d tries", f.Number, f.Class, f.Message, f.RetryCount)
	if f.NextRetryAt.IsZero() {
		return text + fmt.Sprintf(", and was given up: %s", f.SkipReason)
	}
	return text + ", and is tried again at " + f.NextRetryAt.Format(time.RFC3339)
}

func (h *Handler) failed(ctx context.Context, q *question) (any, error) {
	from, to, limit := q.number("from", 0, 0, LastBlock), q.number("to", LastBlock, 0, LastBlock), q.limit()
	from = max(from, q.number("cursor", 0, 0, LastBlock))
	if err := q.done(); err != nil {
		return nil, err
	}
	rows, err := h.Store.FailedFrom(ctx, from, limit+1)
	for i := range rows {
		if rows[i].Number > to {
			rows = rows[:i]
			break
		}
	}
	return newPage(rows, limit, NewFailed, func(f *store.Failed) string {
		return strconv.FormatUint(f.Number+1, 10)
	}), err
}

package rest

import (
	"context"

	"gapless/internal/store"
)

// A Coverage tells of each part of a range of block numbers how many are stored
// and how many missing; the others are not there yet.
type Coverage struct {
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
	Width uint64 `json:"width"` // numbers in a part, but for the last
	Parts []Part `json:"parts"`
}

// A Part is one part of a Coverage.
type Part struct {
	First   uint64 `json:"first_block"`
	Last    uint64 `json:"last_block"`
	Stored  uint64 `json:"stored"`
	Missing uint64 `json:"missing"`
	Skipped uint64 `json:"skipped,omitempty"` // of missing
}

func (h *Handler) coverage(ctx context.Context, q *question) (any, error) {
	from, to := q.number("from", 0, 0, LastBlock), q.number("to", LastBlock, 0, LastBlock)
	parts := q.number("parts", usualLimit, 1, mostLimit)
	id, err := h.Store.Identity(ctx)
	if err != nil {
		return nil, err
	}
	next, err := h.Store.Next(ctx)
	if err != nil {
		return nil, err
	}
	from = max(from, id.Start)
	if to == LastBlock {
		to = max(next, 1) - 1
	}
	if from > to {
		if from != id.Start || next != id.Start {
			q.fail("there are no blocks from %d to %d", from, to)
		}
		return Coverage{From: from, To: from, Width: 1, Parts: []Part{}}, q.done() // empty yet
	}
	if err := q.done(); err != nil {
		return nil, err
	}
	c, err := h.Store.Coverage(ctx, from, to, int(parts))
	if err != nil {
		return nil, err
	}
	return newCoverage(c), nil
}

func newCoverage(c *store.CoverageMap) Coverage {
	v := Coverage{From: c.From, To: c.To, Width: c.Width, Parts: make([]Part, len(c.Parts))}
	for i, p := range c.Parts {
		v.Parts[i] = Part(p)
	}
	return v
}

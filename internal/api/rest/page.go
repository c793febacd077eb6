package rest

import (
	"context"

	"gapless/internal/store"
)

// A Page is some of the rows of a list, in order.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // the cursor of the next page; absent on the last
}

// newPage makes a page of up to limit rows. To know whether it is the last, one
// row more was asked for.
func newPage[R, T any](rows []R, limit int, show func(*R) T, cursor func(*R) string) Page[T] {
	p := Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i := range rows {
		if i == limit {
			p.Next = cursor(&rows[i-1])
			break
		}
		p.Items = append(p.Items, show(&rows[i]))
	}
	return p
}

// A RangePage is a page of what is in a range of blocks. What missing blocks
// would add is not in it.
type RangePage[T any] struct {
	Page[T]
	Missing uint64 `json:"missing_blocks"` // in the part of the range that the page covers
}

// rangePage looks a page up, by a function that lists rows.
func rangePage[R, T any](ctx context.Context, h *Handler, which store.Range, list func(context.Context, store.Range) ([]R, error),
	show func(*R) T, position func(*R) store.Position) (*RangePage[T], error) {
	asked := which
	asked.Limit++ // tells whether there is more
	rows, err := list(ctx, asked)
	if err != nil {
		return nil, err
	}
	p := &RangePage[T]{Page: newPage(rows, which.Limit, show, func(r *R) string { return position(r).String() })}
	first, last := which.From, which.To
	if which.After != nil {
		first, last = narrow(which, first, last, which.After.Block, true)
	}
	if p.Next != "" {
		first, last = narrow(which, first, last, position(&rows[which.Limit-1]).Block, false)
	}
	if first <= last {
		p.Missing, err = h.Store.CountMissing(ctx, first, last)
	}
	return p, err
}

// narrow cuts the blocks on one side of at off a range: those before it in the
// list's order, or those after.
func narrow(which store.Range, first, last, at uint64, before bool) (uint64, uint64) {
	if before == which.Ascending {
		return max(first, at), last
	}
	return first, min(last, at)
}

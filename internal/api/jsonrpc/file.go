package jsonrpc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"

	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/api/places"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// A file is what is answered from: a database file up to a head.
type file struct {
	reader *store.Reader
	head   func() uint64 // nil: all of it
	blocks places.Places // of blocks that are read at once; others wait
}

// A view is the file at one moment.
type view struct {
	*store.View
	limit uint64 // what is above it is not shown
}

// look calls fn with a view, which is for short questions.
func (f *file) look(ctx context.Context, fn func(*view) error) error {
	return f.reader.View(ctx, func(v *store.View) error {
		limit := uint64(math.MaxInt64)
		if f.head != nil {
			limit = f.head()
		}
		return fn(&view{v, limit})
	})
}

// latest is the number of the highest stored block.
func (v *view) latest() (uint64, error) {
	number, err := v.Highest(v.limit)
	if errors.Is(err, store.ErrNotFound) {
		err = errEmpty
	}
	return number, err
}

// number gives the number that a parameter stands for.
func (v *view) number(at rpc.BlockNumber) (uint64, error) {
	switch at {
	case rpc.LatestBlockNumber:
		return v.latest()
	case rpc.EarliestBlockNumber:
		return v.Start()
	case rpc.PendingBlockNumber:
		if empty, err := v.pendingIsEmpty(byNumber(at)); err != nil || empty {
			return 0, cmp.Or(err, error(errPending))
		}
		return v.latest()
	case rpc.FinalizedBlockNumber, rpc.SafeBlockNumber:
		return v.tagged(at)
	}
	return uint64(at), nil
}

// pendingIsEmpty reports whether a parameter stands for the pending block, and
// that is none of those that are stored: it has no transactions, as an index has
// no pool, and its header would need the state.
func (v *view) pendingIsEmpty(at rpc.BlockNumberOrHash) (bool, error) {
	if n, ok := at.Number(); !ok || n != rpc.PendingBlockNumber {
		return false, nil
	}
	m, err := v.manner()
	return err == nil && !m.pendingIsLatest, err
}

// tagged gives the number of what the node said is finalized or safe.
func (v *view) tagged(at rpc.BlockNumber) (uint64, error) {
	finalized, safe, err := v.Finality()
	tag := finalized
	if at == rpc.SafeBlockNumber {
		tag = safe
	}
	switch {
	case err != nil:
		return 0, err
	case tag == nil || tag.Number > v.limit:
		return 0, serverf("%s block not found", at)
	}
	return tag.Number, nil
}

// find gives the number that a parameter stands for, and whether there may be
// such a block: one of an unknown hash there is not.
func (v *view) find(at rpc.BlockNumberOrHash) (number uint64, may bool, err error) {
	hash, ok := at.Hash()
	if !ok {
		n, _ := at.Number()
		number, err = v.number(n)
		return number, err == nil && number <= v.limit, err
	}
	number, err = v.Number(hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && number > v.limit {
		return 0, false, nil
	}
	return number, err == nil, err
}

// absent says why a block is not stored: nil if there just is none.
func (v *view) absent(number uint64) error {
	start, err := v.Start()
	if err != nil {
		return err
	}
	if number < start {
		return errPruned
	}
	return v.whole(number, number)
}

// whole is an error if blocks of a range are missing.
func (v *view) whole(first, last uint64) error {
	ranges, more, err := v.Missing(first, min(last, v.limit), mostRanges)
	if err == nil && len(ranges) > 0 {
		err = missing(ranges, more)
	}
	return err
}

// load gives a part of a block, nil if there is none.
func (v *view) load(at rpc.BlockNumberOrHash, part store.Part) (*chain.Block, error) {
	number, may, err := v.find(at)
	if err != nil || !may {
		return nil, err
	}
	b, err := v.Block(number, part)
	if errors.Is(err, store.ErrNotFound) {
		return nil, v.absent(number)
	}
	return b, err
}

// loadHeader gives a block with nothing but its header, nil if there is none.
func (v *view) loadHeader(at rpc.BlockNumberOrHash) (*chain.Block, error) {
	number, may, err := v.find(at)
	if err != nil || !may {
		return nil, err
	}
	b, _, err := v.Header(number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, v.absent(number)
	}
	return b, err
}

// An answer is a result as JSON; nil is null.
type answer = json.RawMessage

// large answers with what fn makes of a view, or errNoRoom if there is no room for
// that. Few such answers are made at once: others wait, without a view.
func (f *file) large(ctx context.Context, fn func(*view) (answer, error)) (result answer, err error) {
	if err := f.blocks.Enter(ctx); err != nil {
		return nil, timely(err)
	}
	defer f.blocks.Leave()
	err = f.look(ctx, func(v *view) (err error) {
		result, err = fn(v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return admit(ctx, result)
}

// block answers with what encode makes of a part of a block, or with null.
func (f *file) block(ctx context.Context, at rpc.BlockNumberOrHash, part store.Part, encode func(*chain.Block) (answer, error)) (answer, error) {
	return f.large(ctx, func(v *view) (answer, error) {
		b, err := v.load(at, part)
		if err != nil || b == nil {
			return nil, err
		}
		return encode(b)
	})
}

package indexer

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// present asks for the hashes that the source has now in the places of stored
// blocks, zero where it has no block. What lies deep and is not kept any more
// counts as unchanged: nothing says otherwise, and nothing ever will.
func (x *Indexer) present(ctx context.Context, ours []store.Anchor) ([]common.Hash, error) {
	numbers := make([]uint64, len(ours))
	for i := range ours {
		numbers[i] = ours[i].Number
	}
	headers, err := x.headersTries(ctx, numbers)
	if isPruned(err) && len(ours) > 1 {
		return x.presentEach(ctx, ours)
	}
	if err != nil && !(isPruned(err) && x.deep(numbers[0])) {
		return nil, err
	}
	hashes := make([]common.Hash, len(ours))
	for i := range ours {
		switch {
		case headers != nil && headers[i] != nil:
			hashes[i] = headers[i].Hash
		case x.deep(numbers[i]):
			hashes[i] = ours[i].Hash
		}
	}
	return hashes, nil
}

// presentEach is present, one by one.
func (x *Indexer) presentEach(ctx context.Context, ours []store.Anchor) (hashes []common.Hash, err error) {
	for i := range ours {
		one, err := x.present(ctx, ours[i:i+1])
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, one...)
	}
	return hashes, nil
}

func isPruned(err error) bool {
	e, ok := errors.AsType[*chain.Error](err)
	return ok && e.Class == chain.Pruned
}

// deep reports whether a block is so far below the head that the source may not
// keep it. The genesis always is kept, or nobody knows it.
func (x *Indexer) deep(number uint64) bool {
	head := x.chainHead()
	return head != nil && number > 0 && number+shallow <= head.Number
}

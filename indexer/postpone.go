package indexer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gapless/internal/store"
)

const (
	// postponeFrom is how many blocks a new file must have before it to be
	// filled without the indexes that can wait: fewer are soon stored.
	postponeFrom = 5000
	// postponeTo is the size of the file, in bytes, at which they wait no
	// longer: then none takes more than half a minute to make, nor a larger
	// -wal than is allowed.
	postponeTo = 8 << 30
)

// postpone drops indexes that can wait, if the file is new and there is much to
// store.
func (x *Indexer) postpone(ctx context.Context, target uint64) error {
	if x.next != x.start || target-x.next < postponeFrom {
		return nil
	}
	x.indexed = false
	return x.store.PostponeIndexes(ctx)
}

// large reports whether the file has become too large to postpone anything.
func (x *Indexer) large() bool {
	info, err := os.Stat(x.store.Path())
	return err == nil && info.Size() >= postponeTo
}

// buildIndexes makes the indexes that the file lacks, of a first sync that has
// ended now or before. Those who read the file find it as before meanwhile; the
// chain moves on, and is caught up with afterwards.
func (x *Indexer) buildIndexes(ctx context.Context) error {
	if x.indexed {
		return nil
	}
	names, err := x.store.MissingIndexes(ctx)
	if err != nil {
		return err
	}
	for i, name := range names {
		x.setState(fmt.Sprintf("building index %d of %d", i+1, len(names)))
		started := time.Now()
		if err := x.buildIndex(ctx, name); err != nil {
			return err
		}
		x.log.Info("index built", "index", name, "number", i+1, "of", len(names), "elapsed", time.Since(started).Round(time.Millisecond))
	}
	x.indexed = true
	return nil
}

// buildIndex makes an index, as soon as there is room for it.
func (x *Indexer) buildIndex(ctx context.Context, name string) error {
	for {
		err := x.room()
		if err == nil {
			err = x.store.BuildIndex(ctx, name)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		why, ok := errors.AsType[store.NoRoom](err)
		if !ok {
			return err
		}
		if err := x.awaitRoom(ctx, why, err); err != nil {
			return err
		}
	}
}

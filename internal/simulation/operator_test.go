package simulation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gapless/internal/store"
)

// retryAll is what an operator does.
func (p *program) retryAll() {
	if s, w := p.parts(); s != nil {
		if _, err := s.RetryNow(context.Background(), 0, 1<<40); err == nil {
			_ = w.Reload(context.Background()) // the file may be closed by now
		}
	}
}

// unskip has the blocks tried again that an operator gave up.
func (p *program) unskip() error {
	s, w := p.parts()
	if s == nil {
		return errors.New("the program does not run")
	}
	ctx := context.Background()
	missing, err := s.FailedFrom(ctx, 0, 1000)
	for _, f := range missing {
		if err == nil && f.Skipped() {
			_, err = s.RetryNow(ctx, f.Number, f.Number)
		}
	}
	return errors.Join(err, w.Reload(ctx))
}

// prune moves the start block up to a number, and says where it is then.
func (p *program) prune(below uint64) (start uint64) {
	s, w := p.parts()
	if s == nil {
		return 0
	}
	ctx := context.Background()
	most, err := s.Prunable(ctx)
	if err != nil {
		return 0
	}
	if start, err = s.Prune(ctx, min(below, most)); err != nil {
		return 0 // the file may be closed by now, or its disk full
	}
	w.Pruned(start)
	return start
}

// first is the first block of the file, or of the one that is to be made.
func (p *program) first() uint64 {
	if s, _ := p.parts(); s != nil {
		if start, _, err := s.Bounds(context.Background()); err == nil {
			return start
		}
	}
	return p.start
}

// queued says whether the queue has all that is missing, and no more.
func (p *program) queued() error {
	s, w := p.parts()
	if s == nil {
		return nil // it is made anew when the program runs again
	}
	rows, err := s.CountMissing(context.Background(), 0, 1<<40)
	if queued := w.Missing().Count; err == nil && queued != int(rows) {
		err = fmt.Errorf("%d blocks are missing, and %d in the queue", rows, queued)
	}
	return err
}

// finalized is the number of the block that the file knows to be finalized, if
// it has that block and the nodes have it; else 0.
func (p *program) finalized() uint64 {
	s, _ := p.parts()
	if s == nil {
		return 0
	}
	final, _, err := s.Finality(context.Background())
	if err != nil || final == nil {
		return 0
	}
	at, err := s.HashesBetween(context.Background(), final.Number, final.Number)
	real := p.world.served.Block(final.Number)
	if err != nil || len(at) == 0 || at[0].Hash != final.Hash || real == nil || real.Hash != final.Hash {
		return 0
	}
	return final.Number
}

// stores gives the stored blocks that are of a chain, without those that a file
// begins with: a reset would put that aside.
func (p *program) stores(links []*link) (kept []store.Anchor) {
	s, _ := p.parts()
	if s == nil {
		return nil
	}
	start, _, err := s.Bounds(context.Background())
	if err != nil {
		return nil
	}
	stored, err := s.HashesBetween(context.Background(), start+1, 1<<40)
	if err != nil {
		return nil // the file may be closed by now
	}
	for _, a := range stored {
		if a.Number < uint64(len(links)) && links[a.Number].raw.Hash == a.Hash {
			kept = append(kept, a)
		}
	}
	return kept
}

// keeps says which of some blocks are not stored any more.
func (p *program) keeps(blocks []store.Anchor) error {
	s, _ := p.parts()
	if s == nil {
		return nil
	}
	for _, a := range blocks {
		now, err := s.Highest(context.Background(), a.Number)
		if err != nil {
			return nil // the file may be closed by now
		}
		if now == nil || *now != a {
			return fmt.Errorf("block %d was stored, and is not since the nodes are behind", a.Number)
		}
	}
	p.world.counts.add("kept while nodes were behind")
	return nil
}

// current says whether the index has caught up with the chain, whatever may be
// missing.
func (p *program) current() error { return p.state(false) }

// complete says what the file still lacks.
func (p *program) complete() error { return p.state(true) }

func (p *program) state(whole bool) error {
	s, _ := p.parts()
	if s == nil {
		return errors.New("the program does not run")
	}
	until := p.world.head - min(p.options.Confirmations, p.world.head)
	return complete(context.Background(), s, p.world.served, until, p.world.head, whole)
}

// verify proves the files, and that the last one is the chain.
func (p *program) verify() error {
	aside, err := filepath.Glob(filepath.Join(filepath.Dir(p.path), "file*.db"))
	if err != nil {
		return err
	}
	for _, path := range aside {
		if err := checkFile(path); err != nil {
			return err
		}
	}
	s, err := store.Open(context.Background(), p.path)
	if err != nil {
		return err
	}
	start, next, err := s.Bounds(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(equal(context.Background(), s, p.world.served, start, next-1), s.Close())
}

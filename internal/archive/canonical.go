package archive

import (
	"context"
	"errors"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// WriteSQLite makes the canonical file at path, where nothing or an empty file
// is: its bytes depend on nothing but the blocks, which of them the node said are
// finalized and safe, the kind of node that gave them and the version of this
// program. Verdicts are not those of the file: all checks
// are made anew. If it fails, there may be part of a file.
func (s *Selection) WriteSQLite(ctx context.Context, path string) error {
	id := s.Identity
	id.Start, id.Client = s.From, kind(id.Client)
	finalized, safe, err := s.reader.Finality(ctx) // before the blocks: a reorg meanwhile is an error
	if err != nil {
		return err
	}
	c, err := store.NewCanonical(ctx, path, id)
	if err != nil {
		return err
	}
	asTheyAre := func(blocks []*chain.Block) ([]*chain.Block, error) { return blocks, nil }
	err = read(ctx, s, chain.AllChecks, asTheyAre, func(blocks []*chain.Block) error {
		for _, b := range blocks {
			if err := c.Add(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = c.Finish(ctx, finalized, safe)
	}
	return errors.Join(err, c.Close())
}

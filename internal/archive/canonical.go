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
	var exempt chain.Exemptions
	err = read(ctx, s, chain.AllChecks, asTheyAre, func(blocks []*chain.Block) error {
		for _, b := range blocks {
			if err := c.Add(b); err != nil {
				return err
			}
			exempt = applied(exempt, b)
		}
		return nil
	})
	if err == nil {
		c.Exempt(exempt)
		err = c.Finish(ctx, finalized, safe)
	}
	return errors.Join(err, c.Close())
}

// applied adds what was exempted of a block. When that was found out depends on
// the order in which blocks came; this does not.
func applied(exempt chain.Exemptions, b *chain.Block) chain.Exemptions {
	if b.Verdict.NotComputable == 0 {
		return exempt
	}
	for _, f := range chain.Findings(b, b.Verdict.NotComputable) {
		exempt = exempt.With(chain.Exemption{Check: f.Check, About: f.About, From: max(b.Number, 1)})
	}
	return exempt
}

package command

import (
	"context"
	"fmt"
	"path/filepath"

	"gapless/internal/store"
)

// announceUpgrade says, before a file of an older schema is brought up to date,
// what that takes and that there is no way back. It fails if there is no room.
func (s *service) announceUpgrade(ctx context.Context) error {
	u, err := store.NeedsUpgrade(ctx, s.db)
	if err != nil || u == nil {
		return err
	}
	free, known := freeDisk(filepath.Dir(s.db))
	if known && free < u.Bytes+s.minFree {
		return fmt.Errorf("%s has schema %d and must be brought to %d first, which may take %s beside it; %s are free\n"+
			"make room on this disk, or keep less free with --min-free", s.db, u.From, u.To, amount(u.Bytes), amount(free))
	}
	s.tellUpgrade(u, free)
	return nil
}

func (s *service) tellUpgrade(u *store.Upgrade, free int64) {
	if !s.plain {
		s.log.Warn("bringing the file up to date; older versions of gapless won't open it any more",
			"file", s.db, "schema", u.From, "to", u.To, "bytes_needed", u.Bytes, "bytes_free", free)
		return
	}
	s.out.printf("file  %s has schema %d and is brought to %d, which may take a while and %s of the %s that are free;\n"+
		"      older versions of gapless won't open it any more\n", s.db, u.From, u.To, amount(u.Bytes), amount(free))
}

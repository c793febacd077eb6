package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gapless/schema"
)

// An Upgrade is what Open will do to a file of an older schema. Programs that
// know only the older one can't open the file any more after it.
type Upgrade struct {
	From, To int   // schemas
	Bytes    int64 // of the file; as much may be needed beside it meanwhile
}

// NeedsUpgrade says what Open will do to bring the file at path up to date, nil
// if that is nothing or the file is new. It writes nothing. Its errors are those
// of Open.
func NeedsUpgrade(ctx context.Context, path string) (*Upgrade, error) {
	return needsUpgrade(ctx, path, schema.All())
}

func needsUpgrade(ctx context.Context, path string, known schema.Migrations) (*Upgrade, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	TempBeside(path)
	bytes, err := size(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(single(path), rollBack(ctx, path)); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, explain(err))
	}
	r, err := openInPlace(ctx, path)
	from := 0
	if err == nil {
		from, err = r.version(ctx, known)
		err = errors.Join(err, r.Close())
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, explain(err))
	case from == known.Last():
		return nil, nil
	}
	return &Upgrade{From: from, To: known.Last(), Bytes: bytes + length(path+"-wal")}, nil
}

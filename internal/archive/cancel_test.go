package archive_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"gapless/internal/archive"
)

// All that reads ends when it is told to, and says why.
func TestCancelled(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	why := errors.New("enough")
	for name, do := range map[string]func(context.Context, *archive.Selection) error{
		"digest": func(ctx context.Context, s *archive.Selection) error { _, err := s.Digest(ctx); return err },
		"jsonl":  func(ctx context.Context, s *archive.Selection) error { return s.WriteJSONL(ctx, io.Discard) },
		"sqlite": func(ctx context.Context, s *archive.Selection) error {
			return s.WriteSQLite(ctx, filepath.Join(t.TempDir(), "out.db"))
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := selected(t, path)
		s.Progress = func(uint64) { cancel(why) }
		if err := do(ctx, s); !errors.Is(err, why) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

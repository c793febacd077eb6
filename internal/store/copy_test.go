package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A copy that takes long ends when it is told to.
func TestCopyFileEnds(t *testing.T) {
	folder := t.TempDir()
	from := filepath.Join(folder, "from")
	if err := os.WriteFile(from, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := copyFile(ctx, from, filepath.Join(folder, "to")); err != nil {
		t.Error(err)
	}
	cancel(why)
	if err := copyFile(ctx, from, filepath.Join(folder, "other")); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

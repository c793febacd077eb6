package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"gapless/internal/store"
)

// read stays in a transaction that reads until its standard input ends.
func read(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var blocks int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM blocks`).Scan(&blocks); err != nil {
		return err
	}
	fmt.Println(blocks)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, tx.Rollback(), db.Close())
}

func walSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Another process that reads keeps the -wal from being drained. Writing and
// reading go on; when it has gone, nothing is left in the -wal.
func TestReaderHoldsWAL(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0, stored(t, 0, 40))
	if err := s.DrainWAL(t.Context(), 0); err != nil || walSize(t, s.Path()) > 0 {
		t.Fatalf("%d bytes are left in the -wal: %v", walSize(t, s.Path()), err)
	}
	reader := startChild(t, "read", s.Path())
	if !reader.lines.Scan() || reader.lines.Text() != "41" {
		t.Fatalf("the reader sees %q blocks", reader.lines.Text())
	}
	for n := uint64(41); n < 200; n += 40 {
		if err := s.Commit(t.Context(), stored(t, n, n+39)); err != nil {
			t.Fatal(err)
		}
	}
	held := walSize(t, s.Path())
	if err := s.DrainWAL(t.Context(), held); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	wants(t, s.DrainWAL(t.Context(), held-1), store.ErrHeld)
	if now := walSize(t, s.Path()); now != held {
		t.Errorf("the -wal has %d bytes instead of %d", now, held)
	}
	if next, err := s.Next(t.Context()); err != nil || next != 201 {
		t.Errorf("next is %d: %v", next, err)
	}
	if err := s.Commit(t.Context(), stored(t, 201, 210)); err != nil {
		t.Error(err)
	}
	reader.kill()
	if err := s.DrainWAL(t.Context(), held); err != nil || walSize(t, s.Path()) > 0 {
		t.Errorf("%d bytes are left in the -wal: %v", walSize(t, s.Path()), err)
	}
}

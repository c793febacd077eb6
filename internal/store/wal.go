package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// DrainWAL takes the -wal into the file and empties it, if more than limit bytes
// of it are in use. A reader of another program's that stays in a transaction
// keeps it from that; then DrainWAL fails with [ErrHeld]. Ours leave in time.
func (s *Store) DrainWAL(ctx context.Context, limit int64) error {
	info, err := os.Stat(s.path + "-wal")
	if err != nil || info.Size() <= limit {
		return nil // it may not be there, as after a rotation
	}
	return s.hand(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) error {
		used, err := w.usedWAL()
		if err != nil || used <= limit {
			return err
		}
		return w.drain()
	}})
}

// usedWAL is how many bytes of the -wal are in use. When it begins anew, it is
// not made smaller by whoever has no journal_size_limit, as Litestream.
func (w *writer) usedWAL() (int64, error) {
	var busy, frames, moved, page int64
	if _, err := w.get(`PRAGMA page_size`, nil, []any{&page}); err != nil {
		return 0, err
	}
	_, err := w.get(`PRAGMA wal_checkpoint(NOOP)`, nil, []any{&busy, &frames, &moved})
	if frames <= 0 {
		return 0, err
	}
	const header, frameHeader = 32, 24 // https://sqlite.org/fileformat2.html#walformat
	return header + frames*(frameHeader+page), err
}

// How long SQLite waits for locks, in milliseconds: of others, and of readers
// when the -wal is drained. That is as long as one of ours may take; other
// writes wait meanwhile.
const (
	busyWait  = 5000
	drainWait = 1000
)

// drain makes a checkpoint that empties the -wal
// (https://sqlite.org/pragma.html#pragma_wal_checkpoint).
func (w *writer) drain() (err error) {
	if err := w.waitForLocks(drainWait); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.waitForLocks(busyWait)) }()
	var busy, frames, moved int64
	row := w.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`) // what was taken is carried out
	if err := row.Scan(&busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return ErrHeld
	}
	return nil
}

func (w *writer) waitForLocks(milliseconds int) error {
	_, err := w.conn.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA busy_timeout = %d`, milliseconds))
	return err
}

package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/store"
)

// Readers see whole blocks and no gaps, whatever the writer is at.
func TestReadersWhileWriting(t *testing.T) {
	s := newStore(t, 0)
	var written []store.Entry
	for n := uint64(0); n < 120; n++ {
		written = append(written, slices.Concat(stored(t, n, n), missing(n, n))[min(n%7, 6)/6])
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for checks := 0; ; checks++ {
				select {
				case <-done:
					if checks > 0 {
						return
					}
				default:
				}
				_, err := store.Checker{Fault: func(f store.Fault) { t.Error(f) }}.Check(t.Context(), s.Reader)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := 0; n < len(written); n += 3 {
		if err := s.Commit(t.Context(), written[n:n+3], anchorsBelow(n+3)...); err != nil {
			t.Error(err)
		}
		if n%30 == 27 {
			if err := s.Rewind(t.Context(), store.Reorg{Ancestor: uint64(n - 5)}, written[n-4:n+3], anchorsBelow(n+3)...); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
}

// Many callers write at once; each has its own outcome.
func TestWritersAtOnce(t *testing.T) {
	s := newStore(t, 0, missing(0, 39))
	var callers sync.WaitGroup
	for n := range uint64(40) {
		b := block(t, n)
		for range 2 {
			callers.Go(func() {
				if err := fill(t.Context(), s, b); err != nil && !errors.Is(err, store.ErrObsolete) {
					t.Error(err)
				}
			})
		}
	}
	callers.Wait()
	if left, err := s.FailedFrom(t.Context(), 0, 1); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestChanged(t *testing.T) {
	s := newStore(t, 0)
	first := s.Changed()
	wants(t, s.Commit(t.Context(), stored(t, 1, 1)), "not the next")
	if isClosed(first) {
		t.Error("a commit that failed is told")
	}
	wants(t, s.Commit(t.Context(), stored(t, 0, 0)), nil)
	if !isClosed(first) {
		t.Error("a commit is not told")
	}
	if isClosed(s.Changed()) {
		t.Error("it is told for ever")
	}
}

// inBubble runs a test whose goroutines must all end. The recording is read
// outside.
func inBubble(t *testing.T, test func(t *testing.T)) {
	recording()
	synctest.Test(t, test)
}

// busy keeps the writer at work until release is called, which gives what came
// of that work.
func busy(t *testing.T, ctx context.Context, s *store.Store) (release func() error) {
	t.Helper()
	taken, free, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- s.Write(ctx, func() error {
			close(taken)
			<-free
			return nil
		})
	}()
	<-taken
	return func() error {
		close(free)
		return <-result
	}
}

// Before the writer takes a request, its caller may give up: then nothing was
// written. After that the caller waits for the outcome.
func TestContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(t, 0, stored(t, 0, 3))
		before := contents(t, s.Path())
		why := errors.New("gave up")
		entries := stored(t, 4, 4)

		ctx, cancel := context.WithCancelCause(t.Context())
		release := busy(t, ctx, s)
		waiting := make(chan error)
		go func() { waiting <- s.Commit(ctx, entries) }()
		synctest.Wait()
		cancel(why)
		wants(t, <-waiting, why)
		wants(t, s.Commit(ctx, entries), why) // never offered
		wants(t, release(), nil)              // was taken: its end is no longer the context's
		unchanged(t, s.Path(), before)
		wants(t, s.Commit(t.Context(), entries), nil)
	})
}

func TestCloseWhileCallersWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(t, 0, stored(t, 0, 3), missing(4, 9))
		before := contents(t, s.Path())
		release := busy(t, t.Context(), s)
		waiting := make(chan error)
		for n := uint64(4); n < 8; n++ {
			b := block(t, n)
			go func() { waiting <- fill(t.Context(), s, b) }()
		}
		closed := make(chan error)
		for range 2 {
			go func() { closed <- s.Close() }()
		}
		for range 4 {
			wants(t, <-waiting, store.ErrClosed)
		}
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while the writer was at work")
		default:
		}
		wants(t, release(), nil)
		wants(t, <-closed, nil)
		wants(t, <-closed, nil)
		unchanged(t, s.Path(), before)
		wants(t, fill(t.Context(), s, block(t, 4)), store.ErrClosed)
		wants(t, s.Close(), nil)
		_, err := s.Next(t.Context())
		if err == nil {
			t.Error("a closed store is read")
		}
	})
}

// Open and Close leave no goroutine, also where Open fails: else the bubble
// would not end.
func TestGoroutinesEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		path := newPath(t)
		for range 3 {
			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(t.Context(), path); !errors.Is(err, store.ErrLocked) {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		write(t, path, []byte("not a database at all"))
		_, err := store.Open(t.Context(), path)
		wants(t, err, store.ErrForeign)
		_, err = store.OpenReader(t.Context(), path)
		wants(t, err, store.ErrForeign)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = store.Open(ctx, newPath(t))
		wants(t, err, context.Canceled)
	})
}

// A writer that hangs does not answer, for as long as it does.
func TestAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(t, 0)
		answers := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return s.Answers(ctx)
		}
		changed := s.Changed()
		wants(t, answers(), nil)
		release := busy(t, t.Context(), s)
		wants(t, answers(), context.DeadlineExceeded)
		if isClosed(changed) {
			t.Error("an answer is told as a commit")
		}
		wants(t, release(), nil)
		wants(t, answers(), nil)
		wants(t, s.Close(), nil)
		wants(t, answers(), store.ErrClosed)
	})
}

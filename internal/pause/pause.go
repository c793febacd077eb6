// Package pause waits without holding up an end.
package pause

import (
	"bytes"
	"context"
	"io"
	"time"
)

// For waits for d, or until ctx ends, whose cause it returns then. It waits for
// nothing if d is not above 0.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Await runs what nothing can interrupt, as a read of a terminal or a write to a
// full pipe, and gives what it gives. If ctx ends first, it returns the cause, and
// leaves do behind: it is for a process that ends then.
func Await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	var value, none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		value, err = do()
	}()
	select {
	case <-ended:
		return value, err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// A Writer writes until ctx ends, also to where a write may wait for ever.
type Writer struct {
	Context context.Context // of the one call that writes
	To      io.Writer
}

// Write writes, or returns why ctx has ended.
func (w Writer) Write(p []byte) (int, error) {
	own := bytes.Clone(p) // it may go on
	return Await(w.Context, func() (int, error) { return w.To.Write(own) })
}

// A Reader reads until ctx ends, also from where a read may wait for ever.
type Reader struct {
	Context context.Context // of the one call that reads
	From    io.Reader
}

// Read reads, or returns why ctx has ended.
func (r Reader) Read(p []byte) (int, error) {
	own, err := Await(r.Context, func() ([]byte, error) {
		own := make([]byte, len(p))
		n, err := r.From.Read(own)
		return own[:n], err
	})
	return copy(p, own), err
}

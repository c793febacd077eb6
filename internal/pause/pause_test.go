package pause

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	const never = time.Hour
	ended := errors.New("the work is over")
	for _, c := range []struct {
		name   string
		pause  time.Duration
		ends   time.Duration // after which the context ends
		waited time.Duration
		err    error
	}{
		{name: "to its end", pause: time.Minute, ends: never, waited: time.Minute},
		{name: "cut short", pause: time.Minute, ends: time.Second, waited: time.Second, err: ended},
		{name: "nothing to wait for", pause: -1, ends: never},
		{name: "nothing to wait for, and over", err: ended},
		{name: "over before it began", pause: time.Minute, err: ended},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), c.ends, ended)
				defer cancel()
				begun := time.Now()
				if err := For(ctx, c.pause); err != c.err {
					t.Errorf("got %v, want %v", err, c.err)
				}
				if waited := time.Since(begun); waited != c.waited {
					t.Errorf("waited %s, want %s", waited, c.waited)
				}
			})
		})
	}
}

// What nothing can interrupt is left behind when the context ends, and gives what
// it gives before.
func TestAwait(t *testing.T) {
	ended := errors.New("the work is over")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, ended)
		defer cancel()
		in, out := io.Pipe() // nobody is at the other end
		defer in.Close()
		defer out.Close()
		if n, err := Await(ctx, func() (int, error) { return 7, io.EOF }); n != 7 || err != io.EOF {
			t.Errorf("it gives %d, %v", n, err)
		}
		go func() { _, _ = out.Write([]byte("word")) }()
		some := make([]byte, 10)
		if n, err := (Reader{ctx, in}).Read(some); string(some[:n]) != "word" || err != nil {
			t.Errorf("read %q, %v", some[:n], err)
		}
		begun := time.Now()
		if n, err := (Reader{ctx, in}).Read(some); n != 0 || err != ended {
			t.Errorf("read %d, %v", n, err)
		}
		if waited := time.Since(begun); waited != time.Minute {
			t.Errorf("waited %s", waited)
		}
		_, unread := io.Pipe()
		if n, err := (Writer{ctx, unread}).Write([]byte("word")); n != 0 || err != ended {
			t.Errorf("wrote %d, %v", n, err)
		}
		unread.Close()
	})
}

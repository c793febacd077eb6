package pause

import (
	"context"
	"errors"
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

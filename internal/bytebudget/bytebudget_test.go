package bytebudget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/bytebudget"
)

const total = 256 << 20

// hold gives a hold of so many bytes, nil if there is no room for it.
func hold(a *bytebudget.Account, bytes int64) *bytebudget.Hold {
	h := a.Hold()
	if !h.TryResize(bytes) {
		return nil
	}
	return h
}

// No account has more than its share, and none but small answers the last
// quarter, one for each account.
func TestShares(t *testing.T) {
	b := bytebudget.New(total)
	first := b.Account()
	if hold(first, b.Share()) == nil || hold(first, 1) != nil {
		t.Error("an account has more than its share, or less")
	}
	for range 5 {
		if hold(b.Account(), b.Share()) == nil {
			t.Fatal("there is no room for six shares")
		}
	}
	if hold(b.Account(), bytebudget.Small+1) != nil {
		t.Error("the last quarter is not only for small answers")
	}
	small := b.Account()
	if hold(small, bytebudget.Small) == nil || hold(small, 1) != nil {
		t.Error("an account has none, or two, of the small answers of the last quarter")
	}
	for hold(b.Account(), bytebudget.Small) != nil {
	}
	if got := b.Held(); got != total {
		t.Errorf("%d bytes are held", got)
	}
}

// One that is larger than a share goes alone, and is not overtaken by what would
// keep it waiting.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bytebudget.New(total)
		var shares []*bytebudget.Hold
		for range 4 {
			shares = append(shares, hold(b.Account(), b.Share()))
		}
		large, done := b.Account().Hold(), make(chan error)
		go func() { done <- large.Resize(t.Context(), 10*total) }()
		synctest.Wait()
		if hold(b.Account(), b.Share()) != nil || hold(b.Account(), bytebudget.Small) == nil {
			t.Error("a large one overtakes, or a small one does not")
		}
		for _, h := range shares {
			h.Release()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if hold(b.Account(), b.Share()+1) != nil {
			t.Error("two go alone")
		}
		large.Release()
		if hold(b.Account(), b.Share()+1) == nil {
			t.Error("none goes alone any more")
		}
	})
}

// Who gives up waiting is in nobody's way.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bytebudget.New(total)
		for range 6 {
			hold(b.Account(), b.Share()-bytebudget.Small)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := b.Account().Hold()
		if err := h.Resize(ctx, b.Share()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if hold(b.Account(), 2*bytebudget.Small) == nil {
			t.Error("others wait behind one that has gone")
		}
	})
}

// Whatever is asked for comes in the end, and all is given back.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bytebudget.New(total)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				a, r := b.Account(), rand.New(rand.NewPCG(1, uint64(i)))
				for range 100 {
					h := a.Hold()
					if err := h.Resize(t.Context(), r.Int64N(bytebudget.Small)); err != nil {
						t.Error(err)
					}
					if h.Release(); r.IntN(2) == 0 {
						_ = h.Resize(t.Context(), r.Int64N(2*b.Share()))
					}
					if held := b.Held(); held > total {
						t.Errorf("%d bytes are held", held)
					}
					time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
					h.Release()
				}
			})
		}
		all.Wait()
		if held := b.Held(); held != 0 {
			t.Errorf("%d bytes are held in the end", held)
		}
	})
}

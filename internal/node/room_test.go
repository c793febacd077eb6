package node

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
)

// An endless body, a piece of it each millisecond.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return min(len(p), 64<<10), nil
}

// Bodies without end have no more than all answers may, and are given up. An
// answer of a usual size is read meanwhile.
func TestEndlessAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 8 << 20
		all := bytebudget.New(total)
		newBound := func() bound {
			return bound{bytes: total / 2, exceeded: errorf(chain.TooLarge, "too large"), hold: all.Account().Hold()}
		}
		var reading sync.WaitGroup
		for range 20 {
			reading.Go(func() {
				for range 5 {
					b := newBound()
					if _, err := b.read(t.Context(), endless{}); chain.ClassOf(err) != chain.TooLarge {
						t.Error(err)
					}
					b.hold.Release()
				}
			})
		}
		most := int64(0)
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			most = max(most, all.Held())
			b := newBound()
			if got, err := b.read(t.Context(), strings.NewReader(strings.Repeat("x", 60_000))); err != nil || len(got) != 60_000 {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			b.hold.Release()
		}
		reading.Wait()
		if most < total/2 || most > total || all.Held() != 0 {
			t.Errorf("up to %d bytes were held, and %d are", most, all.Held())
		}
	})
}

// A body that is cut is not taken for a whole one.
func TestCutAnswer(t *testing.T) {
	b := bound{bytes: 1 << 20, hold: bytebudget.New(0).Account().Hold()}
	cut := io.MultiReader(strings.NewReader(strings.Repeat("x", 10_000)), errorReader{})
	if _, err := b.read(t.Context(), cut); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

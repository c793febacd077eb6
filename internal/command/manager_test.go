package command

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/systemd"
)

// A watcher is a manager that notes what it is told.
type watcher struct {
	patience time.Duration
	told     []string
	fed      []time.Duration // since the start, when the watchdog was
	start    time.Time
	deaf     bool
}

func (w *watcher) Patience() time.Duration { return w.patience }

func (w *watcher) Tell(states ...string) error {
	if w.deaf {
		return errors.New("nobody listens")
	}
	w.told = append(w.told, strings.Join(states, " "))
	if states[0] == systemd.Alive {
		w.fed = append(w.fed, time.Since(w.start))
	}
	return nil
}

// The watchdog is fed for as long as the writer answers, not while it hangs, and
// again when it answers again. That the writer of a store says nothing while it
// hangs, its own tests show.
func TestWatchdog(t *testing.T) {
	for _, tt := range []struct {
		name            string
		patience        time.Duration
		hangs, recovers time.Duration // 0 for never
		want            []time.Duration
		last            string
	}{
		{"the writer answers", time.Minute, 0, 0, seconds(0, 5, 10, 15, 20, 25), "WATCHDOG=1 STATUS=waiting for the node"},
		{"a short patience", 6 * time.Second, 7 * time.Second, 0, seconds(0, 2, 4, 6), "STATUS=what writes the file does not answer"},
		{"the writer hangs", time.Minute, 11 * time.Second, 0, seconds(0, 5, 10), "STATUS=what writes the file does not answer"},
		{"for a while", time.Minute, 9 * time.Second, 13 * time.Second, seconds(0, 5, 13, 18, 23, 28), "WATCHDOG=1 STATUS=waiting for the node"},
		{"no watchdog", 0, 0, 0, seconds(0, 5, 10, 15, 20, 25), "WATCHDOG=1 STATUS=waiting for the node"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &watcher{patience: tt.patience, start: time.Now()}
				s := &service{manager: w, log: slog.New(slog.DiscardHandler)}
				answers := func(ctx context.Context) error {
					at := time.Since(w.start)
					if tt.hangs == 0 || at < tt.hangs || tt.recovers > 0 && at >= tt.recovers {
						return nil
					}
					recovered := time.NewTimer(tt.recovers - at)
					if tt.recovers == 0 {
						recovered.Stop()
					}
					select {
					case <-ctx.Done():
						return context.Cause(ctx)
					case <-recovered.C:
						return nil
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
				defer cancel()
				if err := s.reportToManager(ctx, answers); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(tt.want, w.fed); diff != "" {
					t.Errorf("fed (-want +got):\n%s", diff)
				}
				if last := w.told[len(w.told)-1]; last != tt.last {
					t.Errorf("the last that was told is %q", last)
				}
			})
		})
	}
}

func seconds(at ...int) (all []time.Duration) {
	for _, s := range at {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}

// A manager that does not listen stops nothing.
func TestDeafManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{manager: &watcher{deaf: true}, log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.reportToManager(ctx, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

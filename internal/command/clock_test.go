package command

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gapless/internal/chain"
)

func TestJump(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		later time.Duration
		want  time.Duration
	}{
		{"as it should be", clockLook, 0},
		{"a busy machine", clockLook + 4*time.Second, 0},
		{"a little back", clockLook - 4*time.Second, 0},
		{"slept for an hour", clockLook + time.Hour, time.Hour},
		{"set forward by years", clockLook + 50_000*time.Hour, 50_000 * time.Hour},
		{"set back by a minute", clockLook - time.Minute, -time.Minute},
		{"set back by years", clockLook - 50_000*time.Hour, -50_000 * time.Hour},
	} {
		// The monotonic clock says that a look has passed, whatever the wall clock does.
		wall := now.Round(0).Add(tt.later)
		if got := jump(now, wall); got != tt.want {
			t.Errorf("%s: %s instead of %s", tt.name, got, tt.want)
		}
	}
}

// A file from a clock that was ahead by days: what is missing is tried within the
// longest wait, and nothing is said to be of the future.
func TestClockWasAhead(t *testing.T) {
	t.Parallel()
	fake, url := serve(t, 60)
	fail(fake, allFail(20))
	ahead := chain.Failed(20, errors.New("lost"), 3, time.Now().Add(240*time.Hour))
	ahead.NextAt = ahead.At.Add(time.Minute)
	db := writeFile(t, 60, ahead)
	_, page := follow(t, db, url)
	eventually(t, "the next try is within the hour", func() bool {
		m := status(t, page).Missing
		return m.Count == 1 && time.Until(m.NextAt) < time.Hour
	})
	if got := mustGapless(t, "status", "--db", db); !strings.Contains(got, "the oldest for 0 s") {
		t.Errorf("status:\n%s", got)
	}
	if _, metrics := get(t, page+"/metrics"); !strings.Contains(metrics, "gapless_oldest_gap_age_seconds 0\n") {
		t.Error("the oldest gap has an age")
	}
	fail(fake, nil)
	mustGapless(t, "retry", "all", "--db", db)
	reaches(t, page, 61, 0)
}

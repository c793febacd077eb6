package command

import (
	"encoding/json"
	"errors"
	"regexp"
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
	isNear := func() {
		t.Helper()
		var gaps []gap
		if err := json.Unmarshal([]byte(mustGapless(t, "gaps", "--db", db, "--json")), &gaps); err != nil || len(gaps) != 1 {
			t.Fatal(gaps, err)
		}
		if g := gaps[0]; time.Until(g.NextRetryAt) > time.Hour || time.Until(g.FirstFailedAt) > 0 {
			t.Errorf("gaps: since %s, next %s", g.FirstFailedAt, g.NextRetryAt)
		}
		for _, about := range []string{"gaps", "status"} {
			if got := mustGapless(t, about, "--db", db); strings.Contains(got, " d") && strings.Contains(got, "in 24") {
				t.Errorf("%s:\n%s", about, got)
			}
		}
	}
	isNear() // from the file alone
	_, page := follow(t, db, url)
	eventually(t, "the next try is within the hour", func() bool {
		m := status(t, page).Missing
		return m.Count == 1 && time.Until(m.NextAt) < time.Hour
	})
	isNear()
	eventually(t, "the oldest gap grows old", func() bool { // or no alert would ever tell of it
		_, metrics := get(t, page+"/metrics")
		return strings.Contains(metrics, "gapless_oldest_gap_age_seconds ") && !regexp.MustCompile(`gapless_oldest_gap_age_seconds 0(\.0\d*)?\n`).MatchString(metrics)
	})
	mustGapless(t, "retry", "all", "--db", db)
	eventually(t, "it was tried", func() bool { return status(t, page).Missing.Trouble.RetryCount > 3 })
	isNear()
	fail(fake, nil)
	mustGapless(t, "retry", "all", "--db", db)
	reaches(t, page, 61, 0)
}

package command

import (
	"testing"
	"time"
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

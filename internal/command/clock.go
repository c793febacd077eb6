package command

import (
	"context"
	"time"
)

const (
	clockLook = time.Second     // how often the clock is looked at
	clockJump = 5 * time.Second // what is more than a busy machine
)

// watchClock makes all that is missing due when the clock was set, to whatever
// time, or the process or the machine slept: the times of retries mean nothing
// then, and much may have changed meanwhile.
func (s *service) watchClock(ctx context.Context, e *engine) error {
	tick := time.NewTicker(clockLook)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		if by := jump(last, now); by != 0 {
			s.log.Info("the clock jumped, or the machine slept: all that is missing is tried again", "by", by.Round(time.Second))
			if err := e.worker.Reload(ctx); err != nil && ctx.Err() == nil { // since when a block is missing
				return err
			}
			e.worker.RetryAll()
		}
		last = now
	}
}

// jump gives by how much the wall clock moved otherwise than it should have
// between two looks, 0 for a little.
func jump(last, now time.Time) time.Duration {
	by := now.Round(0).Sub(last.Round(0)) - clockLook // Round takes away the monotonic clock, which is never set
	if by.Abs() < clockJump {
		return 0
	}
	return by
}

// Package pause waits without holding up an end.
package pause

import (
	"context"
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

// Package places bounds how much is done at once.
package places

import "context"

// Places are taken by what is done at once; who finds none waits. As many can be
// taken as the channel has room for.
type Places chan struct{}

// Enter waits for a place and takes it. One that is free is taken whatever has become
// of ctx; else the error is [context.Cause] of it.
func (p Places) Enter(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	default:
	}
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave gives a place back.
func (p Places) Leave() { <-p }

package command

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
)

// A pace shows a file block by block.
type pace struct {
	moves bool          // else all is shown
	every time.Duration // 0: only when told to
	last  uint64        // the file's last block

	mu      sync.Mutex // guards what follows
	head    uint64
	changed chan struct{} // closed when the head moves
}

// options are for JSON-RPC from the file at this pace.
func (p *pace) options(file *store.Reader) jsonrpc.Options {
	o := jsonrpc.Options{Reader: file, Client: clientName()}
	if p.moves {
		o.Head, o.Changed = p.at, p.moved
	}
	if p.moves && p.every == 0 {
		o.Mine = p.step
	}
	return o
}

func (p *pace) at() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head
}

func (p *pace) moved() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// step shows one block more.
func (p *pace) step() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head >= p.last {
		return fmt.Errorf("the file ends with block %d", p.last)
	}
	p.head++
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// run shows blocks as time goes by, until all are shown or ctx ends.
func (p *pace) run(ctx context.Context) error {
	if p.every == 0 {
		return nil
	}
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if p.step() != nil {
				return nil // all is shown
			}
		}
	}
}

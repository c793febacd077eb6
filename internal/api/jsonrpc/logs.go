package jsonrpc

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// Limits of a log query.
const (
	mostLogs      = 20_000
	mostLogBytes  = 25_000_000 // of JSON, as geth allows a batch
	queryTime     = 20 * time.Second
	mostQueries   = 3       // at once; others wait
	firstChunk    = 1000    // blocks
	largestChunk  = 1 << 20 // blocks
	chunkTooLong  = 250 * time.Millisecond
	chunkTooShort = 50 * time.Millisecond
)

// logMethods are those of namespace eth that look for logs.
type logMethods struct {
	file    *file
	queries chan struct{} // has an entry for each that runs
}

// GetLogs gives the stored logs that the criteria select.
func (m *logMethods) GetLogs(ctx context.Context, c Criteria) (answer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	select {
	case m.queries <- struct{}{}:
		defer func() { <-m.queries }()
	case <-ctx.Done():
		return nil, timely(context.Cause(ctx))
	}
	var s *search
	err := again(func() error {
		s = &search{file: m.file, out: []byte{'['}}
		return s.run(ctx, &c)
	})
	if err != nil {
		return nil, timely(err)
	}
	return append(s.out, ']'), nil
}

// A search goes through a range in chunks, each with a view of its own, so that
// no view is open for long. It is void if there is a reorg meanwhile.
type search struct {
	file  *file
	same  chainMark
	query *store.LogQuery // nil before the first chunk
	next  uint64          // first block of the next chunk

	count int
	out   []byte
}

func (s *search) run(ctx context.Context, c *Criteria) error {
	for size := uint64(firstChunk); s.query == nil || s.next <= s.query.Last; {
		began := time.Now()
		if err := s.file.look(ctx, func(v *view) error { return s.step(ctx, v, c, size) }); err != nil {
			return err
		}
		switch took := time.Since(began); {
		case took < chunkTooShort:
			size = min(size*4, largestChunk)
		case took > chunkTooLong:
			size = max(size/4, 1)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// step searches a chunk.
func (s *search) step(ctx context.Context, v *view, c *Criteria, size uint64) error {
	if err := s.begin(v, c); err != nil {
		return err
	}
	chunk := *s.query
	chunk.First = s.next
	chunk.Last = min(chunk.Last, s.next+size-1)
	if err := v.whole(chunk.First, chunk.Last); err != nil {
		return err
	}
	s.next = chunk.Last + 1
	return v.Logs(ctx, &chunk, s.add)
}

// begin resolves the query, or makes sure that what was found still stands.
func (s *search) begin(v *view, c *Criteria) error {
	if err := s.same.check(v); err != nil || s.query != nil {
		return err
	}
	query, err := c.resolve(v)
	if err != nil {
		return err
	}
	if err := v.whole(query.First, query.Last); err != nil { // before much work
		return err
	}
	s.query, s.next = query, query.First
	return nil
}

func (s *search) add(l *store.FoundLog) error {
	s.count++
	if s.count > mostLogs || len(s.out) > mostLogBytes {
		return s.tooMany(l.At.Block.Number)
	}
	if s.count > 1 {
		s.out = append(s.out, ',')
	}
	s.out = l.AppendLog(s.out, &l.At)
	return nil
}

// tooMany says how far the answer would have gone, as far as whole blocks.
func (s *search) tooMany(at uint64) error {
	e := &Error{Code: codeLimit, Message: fmt.Sprintf(
		"query returns more than %d results or %d MB; ask for fewer blocks", mostLogs, mostLogBytes/1_000_000)}
	if at > s.query.First {
		e.Data = map[string]hexutil.Uint64{"from": hexutil.Uint64(s.query.First), "to": hexutil.Uint64(at - 1)}
	}
	return e
}

package jsonrpc

import (
	"context"
	"time"

	"gapless/internal/api/places"
)

// Limits of a log query.
const (
	mostLogBytes = 25_000_000       // of JSON that is held in memory, as geth allows a batch
	queryTime    = 20 * time.Second // until the answer begins
	mostQueries  = 3                // chunks at once, where there are processors for them; others wait
)

// logMethods are those of namespace eth that look for logs.
type logMethods struct {
	file    *file
	max     int           // logs in an answer; 0: no limit
	queries places.Places // of chunks that are searched
}

// GetLogs gives the stored logs that the criteria select. Where there is no limit
// and the answer can be sent in parts, it is; what is wrong after the first of
// them cuts the connection.
func (m *logMethods) GetLogs(ctx context.Context, c Criteria) (answer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var parts *stream
	if m.max == 0 {
		parts = streamOf(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(queryTime, func() { cancel(context.DeadlineExceeded) })
	defer patience.Stop()
	var s *search
	err := again(func() error {
		s = &search{methods: m, parts: parts, criteria: &c, patience: patience, out: []byte{'['}, room: partBytes}
		return parts.late(s.run(ctx))
	})
	if err != nil {
		return nil, timely(err)
	}
	s.out = append(s.out, ']')
	return s.out, parts.end(s.out)
}

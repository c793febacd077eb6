package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// How a range is cut into chunks.
const (
	firstChunk    = 1000    // blocks
	largestChunk  = 1 << 20 // blocks
	chunkTooLong  = 250 * time.Millisecond
	chunkTooShort = 50 * time.Millisecond
	chunkEnds     = 500 * time.Millisecond // wherever it is then
	partBytes     = 64 << 10               // of an answer that is sent in parts
)

// A search goes through a range in chunks, each with a view of its own, so that
// no view is open for long. It is void if there is a reorg meanwhile.
type search struct {
	methods  *logMethods
	parts    *stream // nil: the answer is made whole
	criteria *Criteria
	patience *time.Timer // ends the search, unless it is stopped

	same  chainMark
	query *store.LogQuery // what is left; nil before the first chunk
	first uint64          // block of all that was asked for
	began time.Time       // of the chunk

	count int
	out   []byte // of the answer, what was not sent
	room  int    // for out; what is more is for when there is a new view
}

// errPause ends a chunk before its last block.
var errPause = errors.New("go on with a new view")

func (s *search) run(ctx context.Context) error {
	for size := uint64(firstChunk); s.query == nil || s.query.First <= s.query.Last; {
		covered, err := s.chunk(ctx, size)
		if err != nil {
			return err
		}
		switch took := time.Since(s.began); {
		case covered < size && took > chunkTooShort:
			size = max(covered, 1)
		case took < chunkTooShort:
			size = min(size*4, largestChunk)
		case took > chunkTooLong:
			size = max(size/4, 1)
		}
		if err := s.makeRoom(ctx); err != nil {
			return err
		}
	}
	return nil
}

// chunk searches a chunk when it is its turn, and says how many blocks it was.
func (s *search) chunk(ctx context.Context, size uint64) (blocks uint64, err error) {
	if err := s.methods.queries.Enter(ctx); err != nil {
		return 0, err
	}
	defer s.methods.queries.Leave()
	err = s.methods.file.look(ctx, func(v *view) error {
		s.began = time.Now()
		if err := s.begin(v); err != nil || s.query.First > s.query.Last {
			return err
		}
		from := s.query.First
		err := s.step(ctx, v, size)
		blocks = s.query.First - from
		return err
	})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return blocks, err
}

// begin resolves the query, or makes sure that what was found still stands.
func (s *search) begin(v *view) error {
	if err := s.same.check(v); err != nil || s.query != nil {
		return err
	}
	query, err := s.criteria.resolve(v)
	if err != nil {
		return err
	}
	if err := v.whole(query.First, query.Last); err != nil { // before much work
		return err
	}
	s.query, s.first = query, query.First
	return nil
}

// step searches some blocks, or what can be had of them at once.
func (s *search) step(ctx context.Context, v *view, size uint64) error {
	chunk := *s.query
	chunk.Last = min(chunk.Last, chunk.First+size-1)
	if err := v.whole(chunk.First, chunk.Last); err != nil {
		return err
	}
	start, err := v.Start()
	if err != nil {
		return err
	}
	if chunk.First < start { // deleted meanwhile
		return errPruned
	}
	err = v.Logs(ctx, &chunk, s.add)
	switch {
	case err == errPause:
		return nil
	case err == nil:
		s.query.First, s.query.FirstLog = chunk.Last+1, 0
	}
	return err
}

func (s *search) add(l *store.FoundLog) error {
	s.count++
	if limit := s.methods.max; limit > 0 && s.count > limit || s.parts == nil && len(s.out) > mostLogBytes {
		return s.tooMany(l.At.Block.Number)
	}
	if s.count > 1 {
		s.out = append(s.out, ',')
	}
	s.out = l.AppendLog(s.out, &l.At)
	if len(s.out) >= s.room || time.Since(s.began) > chunkEnds {
		s.query.First, s.query.FirstLog = l.At.Block.Number, uint64(l.At.Log)+1
		return errPause
	}
	return nil
}

// makeRoom sends what is found so far, if that is enough for a part, or waits
// until a larger answer may be made. No view is open meanwhile.
func (s *search) makeRoom(ctx context.Context) error {
	if len(s.out) < s.room {
		return nil
	}
	if s.parts == nil {
		s.room *= 2
		return reserve(ctx, int64(s.room))
	}
	s.patience.Stop()
	err := s.parts.send(s.out)
	s.out = s.out[:0]
	return err
}

// tooMany says how far the answer would have gone, as far as whole blocks.
func (s *search) tooMany(at uint64) error {
	e := &Error{Code: codeLimit, Message: fmt.Sprintf("query returns more than %d MB; ask for fewer blocks", mostLogBytes/1_000_000)}
	if limit := s.methods.max; limit > 0 {
		e.Message = fmt.Sprintf("query returns more than %d results or %d MB; ask for fewer blocks", limit, mostLogBytes/1_000_000)
	}
	if at > s.first {
		e.Data = map[string]hexutil.Uint64{"from": hexutil.Uint64(s.first), "to": hexutil.Uint64(at - 1)}
	}
	return e
}

package archive

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// An update brings a dataset to what a file has now: blocks that the chain has
// left, or that the file doesn't have yet, go, and those that are wanted come.
// What the file has pruned stays.
type update struct {
	comparison
	source *Selection // of the file; its bounds count for Progress only
	limit  uint64     // one past the last block that is written in the place of others

	// wait gets the blocks that are missing from what is wanted; if it gives nil,
	// the rest goes on without them.
	wait func(Span, *MissingError) error
}

func (d *Dataset) update(ctx context.Context, s *Selection) (*update, error) {
	u := &update{comparison: comparison{dataset: d, reader: s.reader}, source: s}
	u.wait = func(_ Span, why *MissingError) error { return why }
	var err error
	u.start, u.next, err = s.reader.Bounds(ctx)
	u.limit = u.next
	return u, err
}

// A rewriting is what comes in the place of ranges.
type rewriting struct {
	old   []Range
	parts []part // none: nothing does
}

// Add brings the blocks of a selection into the dataset: what is there of the same
// blocks stays, ranges of which there is less are written anew, and so are those
// whose blocks the chain has left, which it gives. Nothing changes if a block is
// missing. done, if set, is called for each range of the selection, with whether
// it was written.
func (d *Dataset) Add(ctx context.Context, s *Selection, done func(r Range, written bool)) (left []Range, err error) {
	u, err := d.update(ctx, s)
	if err != nil {
		return nil, err
	}
	var wanted []Span
	for first := s.From; first <= s.To; {
		last := min(s.To, first-first%d.Size+d.Size-1)
		wanted = append(wanted, Span{first, last})
		first = last + 1
	}
	left, err = u.bring(ctx, wanted, done)
	return left, err
}

// bring writes what is wanted, each within one range, in order. It gives what the
// chain has left.
func (u *update) bring(ctx context.Context, wanted []Span, done func(r Range, written bool)) (left []Range, err error) {
	now, err := u.standings(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(now) {
		if !s.intact() {
			left = append(left, s.Range)
		}
	}
	replaced, added, err := u.plan(ctx, now, wanted)
	if err != nil {
		return nil, err
	}
	written := make(map[uint64]bool)
	if err := u.write(ctx, replaced, written); err != nil {
		return nil, err
	}
	for _, r := range added {
		if err := u.write(ctx, []rewriting{r}, written); err != nil {
			return left, err
		}
	}
	if done != nil {
		for _, w := range wanted {
			if r, ok := u.dataset.find(w); ok {
				done(r, written[r.First])
			}
		}
	}
	return left, nil
}

// find gives the range that has blocks.
func (d *Dataset) find(of Span) (r Range, ok bool) {
	i, exact := slices.BinarySearchFunc(d.Ranges, of.First, func(r Range, first uint64) int { return cmp.Compare(r.First, first) })
	if !exact {
		i--
	}
	if i < 0 || d.Ranges[i].Last < of.Last {
		return Range{}, false
	}
	return d.Ranges[i], true
}

// write writes ranges, and notes their first blocks. What takes the place of
// others comes at once.
func (u *update) write(ctx context.Context, all []rewriting, written map[uint64]bool) error {
	var old, with []Range
	for _, r := range all {
		old = append(old, r.old...)
		if len(r.parts) == 0 {
			continue
		}
		staged, err := u.dataset.stage(ctx, u.source, r.parts)
		if err != nil {
			return err
		}
		with = append(with, staged)
	}
	if len(old)+len(with) == 0 {
		return nil
	}
	if u.reader.Replaced() { // what was read may be of another chain
		return errors.Join(ErrReorganised, u.dataset.clearStaging())
	}
	if err := u.dataset.commit(old, with); err != nil {
		return err
	}
	for _, r := range with {
		written[r.First] = true
	}
	return nil
}

// plan says what has to be written in the place of what is there, and what beside
// it.
func (u *update) plan(ctx context.Context, now []standing, wanted []Span) (replaced, added []rewriting, err error) {
	size := u.dataset.Size
	for len(now) > 0 || len(wanted) > 0 {
		group := uint64(math.MaxUint64) // the next one
		if len(now) > 0 {
			group = now[0].First / size
		}
		if len(wanted) > 0 {
			group = min(group, wanted[0].First/size)
		}
		there := 0
		for there < len(now) && now[there].First/size == group {
			there++
		}
		var want *Span
		if len(wanted) > 0 && wanted[0].First/size == group {
			want, wanted = &wanted[0], wanted[1:]
		}
		all, err := u.rewriteGroup(ctx, now[:there], want)
		if err != nil {
			return nil, nil, err
		}
		now = now[there:]
		for _, r := range all {
			if len(r.old) > 0 {
				replaced = append(replaced, r)
			} else {
				added = append(added, r)
			}
		}
	}
	return replaced, added, nil
}

// rewriteGroup says what has to come in the place of the ranges that begin with
// the same multiple, or beside them, if wanted is to be there; nil is nothing.
func (u *update) rewriteGroup(ctx context.Context, there []standing, wanted *Span) (all []rewriting, err error) {
	if unchanged(there, wanted) {
		return nil, nil
	}
	if wanted != nil {
		from, to, err := u.neighbours(ctx, there, *wanted)
		if err != nil {
			return nil, err
		}
		r, why, err := u.rewrite(ctx, there[from:to], wanted)
		if err == nil && why != nil {
			err = u.wait(*wanted, why)
		}
		if err != nil {
			return nil, err
		}
		if why == nil {
			all, there = append(all, r), slices.Delete(slices.Clone(there), from, to)
		}
	}
	for i := range there {
		if there[i].intact() {
			continue
		}
		r, _, err := u.rewrite(ctx, there[i:i+1], nil) // ends with what is missing
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// neighbours are the ranges that become one with what is wanted: those between which
// and it the file has all blocks. Others stay apart.
func (u *update) neighbours(ctx context.Context, there []standing, wanted Span) (from, to int, err error) {
	from = slices.IndexFunc(there, func(s standing) bool { return s.Last >= wanted.First })
	if from < 0 {
		from = len(there)
	}
	for to = from; to < len(there) && there[to].First <= wanted.Last; to++ {
		wanted = Span{min(wanted.First, there[to].First), max(wanted.Last, there[to].Last)}
	}
	joins := func(first, end uint64) bool {
		if first >= end || err != nil {
			return err == nil
		}
		var spans []Span
		spans, err = missing(ctx, u.reader, first, end-1, u.start, u.next)
		return err == nil && len(spans) == 0
	}
	for from > 0 && joins(there[from-1].Last+1, wanted.First) {
		from--
		wanted.First = there[from].First
	}
	for to < len(there) && joins(wanted.Last+1, there[to].First) {
		wanted.Last = there[to].Last
		to++
	}
	return from, to, err
}

// unchanged reports whether nothing has to be written.
func unchanged(there []standing, wanted *Span) bool {
	has := wanted == nil
	for _, s := range there {
		if !s.intact() {
			return false
		}
		has = has || s.First <= wanted.First && wanted.Last <= s.Last
	}
	return has
}

// rewrite says what has to come in the place of all of these ranges, so that
// wanted, if it is not nil, is there with them; why not, if blocks of that are
// missing.
func (u *update) rewrite(ctx context.Context, there []standing, wanted *Span) (r rewriting, why *MissingError, err error) {
	cursor, end := uint64(math.MaxUint64), uint64(0) // end is one past the last block
	if wanted != nil {
		cursor, end = wanted.First, wanted.Last+1
	}
	for _, s := range there {
		r.old = append(r.old, s.Range)
		cursor = min(cursor, s.First)
		if s.intact() {
			end = max(end, s.Last+1)
		} else {
			end = max(end, min(s.Last+1, u.limit))
		}
	}
	for i := range there {
		kept, err := u.lacks(ctx, there[i])
		if err != nil {
			return r, nil, err
		}
		if first := there[i].First; kept > first {
			if cursor < first {
				r.parts = append(r.parts, part{Span: Span{cursor, first - 1}})
			}
			r.parts = append(r.parts, part{Span{first, kept - 1}, &there[i].Range})
			cursor = kept
		}
	}
	if cursor < end {
		r.parts = append(r.parts, part{Span: Span{cursor, end - 1}})
	}
	why, err = u.present(ctx, &r, wanted)
	return r, why, err
}

// lacks is one past the highest block of a range that is of the file's chain, but
// not in the file: pruned, or missing. It is the first block of the range if there
// is none.
func (u *update) lacks(ctx context.Context, s standing) (uint64, error) {
	end := max(s.First, min(u.start, s.fork))
	if end >= s.fork {
		return end, nil
	}
	spans, err := missing(ctx, u.reader, end, s.fork-1, u.start, u.next)
	if n := len(spans); n > 0 {
		end = spans[n-1].Last + 1
	}
	return end, err
}

// present looks if the blocks that come from the file are there. Those above what
// is wanted end with the first that is missing.
func (u *update) present(ctx context.Context, r *rewriting, wanted *Span) (*MissingError, error) {
	for i, p := range r.parts {
		if p.from != nil {
			continue
		}
		spans, err := missing(ctx, u.reader, p.First, p.Last, u.start, u.next)
		if err != nil {
			return nil, err
		}
		switch {
		case len(spans) == 0:
		case wanted != nil && spans[0].First <= wanted.Last:
			return &MissingError{spans, u.start, u.next}, nil
		case spans[0].First == p.First:
			r.parts = r.parts[:i]
			return nil, nil
		default:
			r.parts = append(r.parts[:i], part{Span: Span{p.First, spans[0].First - 1}})
			return nil, nil
		}
	}
	return nil, nil
}

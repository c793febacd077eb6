package archive

import "context"

// Add brings the blocks of a selection into the dataset: what is there of the same
// blocks stays, ranges of which there is less are written anew, and so are those
// whose blocks the chain has left, which it gives. done, if set, is called for
// each range that is there now, with whether it was written.
func (d *Dataset) Add(ctx context.Context, s *Selection, done func(r Range, written bool)) (left []Range, err error) {
	if left, err = d.displaced(ctx, s.reader); err != nil {
		return nil, err
	}
	if err := d.forget(left); err != nil {
		return left, err
	}
	for first := s.From; first <= s.To; {
		part := *s
		part.From, part.To = first, min(s.To, first-first%d.Size+d.Size-1)
		if s.Progress != nil {
			part.Progress = func(n uint64) { s.Progress(part.From - s.From + n) }
		}
		there, ok := d.Range(first)
		written := !ok || !there.has(part.From, part.To)
		if written {
			if there, err = d.write(ctx, &part); err != nil {
				return left, err
			}
		}
		if done != nil {
			done(there, written)
		}
		first = part.To + 1
	}
	return left, nil
}

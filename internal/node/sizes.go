package node

const (
	// How many requests of the most calls are answered before larger ones are
	// tried: twice as many after each time that these were refused.
	shortSeries, longSeries = 30, 30 << 5
	// The first requests have few calls. Later ones have this part of those that
	// were answered, so that little is asked in vain of a node that has a limit.
	firstCalls, seenPart = 10, 16
)

// Sizes learn how many calls a request may have where a node counts calls: a
// request of more than it ever has to spare is refused however long one waits.
type sizes struct {
	seen     int // calls that were answered
	limit    int // calls; 0: none is known
	answered int // calls of the largest request that was answered of late
	refused  int // of the smallest that was refused whole, 0: none
	number   int // of those
	good     int // requests as large as the limit that were answered since it changed
	series   int // of those, until the limit is doubled; 0: shortSeries
}

// most is how many calls a request may have.
func (s *sizes) most() int {
	if s.limit == 0 {
		return firstCalls + s.seen/seenPart
	}
	return s.limit
}

// saw takes in a request.
func (s *sizes) saw(answered, refused int) {
	s.seen += answered
	if answered > 0 {
		s.answered = max(s.answered, answered)
		s.grow(answered + refused)
		return
	}
	if s.number++; s.refused == 0 || refused < s.refused {
		s.refused = refused
	}
}

// grow doubles the limit after a series of requests that were as large.
func (s *sizes) grow(calls int) {
	if s.limit == 0 || calls < s.limit {
		return
	}
	if s.good++; s.good < max(shortSeries, s.series) {
		return
	}
	*s = sizes{seen: s.seen, limit: 2 * s.limit, series: min(longSeries, 2*max(shortSeries, s.series))}
}

// allRefused reports whether some requests were refused of late and none
// answered.
func (s *sizes) allRefused() bool { return s.answered == 0 && s.number > 1 }

// shrink begins anew. It reports whether it made the limit lower, because of late
// every request that was refused had more calls than each that was answered.
func (s *sizes) shrink() bool {
	smaller := s.refused > max(1, s.answered)
	limit := s.limit
	if smaller {
		limit = max(s.answered, s.refused/2)
	}
	*s = sizes{seen: s.seen, limit: limit, series: s.series}
	return smaller
}

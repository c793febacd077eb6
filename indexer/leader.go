package indexer

// A led source has several endpoints and goes by one of them. What that one has
// shown, another one may never have had.
type led interface{ Leading() string }

// followLeader notes which endpoint the source goes by. What another one had
// before means nothing for it. It reports whether it is another one.
func (x *Indexer) followLeader() (another bool) {
	s, ok := x.source.(led)
	if !ok {
		return false
	}
	before := x.leader
	x.leader = s.Leading()
	if before == "" || before == x.leader {
		return false
	}
	x.movedOn()
	return true
}

package node

import "time"

// How long an endpoint has to be right before it may lead again: twice as long
// after each relapse.
const shortestDoubt, longestDoubt = 10 * time.Minute, 24 * time.Hour

// Reject says that the block that was last given for a number turned out to be
// wrong: another endpoint is asked for it first the next time, and another one
// leads.
func (n *Node) Reject(number uint64) {
	if e := n.memory.reject(number); e != nil {
		n.wrong(e, number)
	}
}

// wrong notes that what an endpoint gave for a number can't be right. With a
// single endpoint that is of no consequence.
func (n *Node) wrong(e *endpoint, number uint64) {
	if len(n.endpoints()) == 1 {
		return
	}
	e.wasWrong(time.Now(), number)
	n.leader() // others may learn that it is another one
}

func (e *endpoint) wasWrong(now time.Time, number uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !now.Before(e.wrongUntil) {
		e.logger.Warn("endpoint gave a wrong block", "endpoint", e.label, "block", number)
		e.relapses++
	}
	e.wrongUntil = now.Add(min(shortestDoubt<<min(e.relapses-1, 10), longestDoubt))
}

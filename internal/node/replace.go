package node

import (
	"errors"
	"slices"
)

// Replace has the endpoints of other URLs asked from now on. Of one that was there
// before, all that was learnt is kept, and its label. If there is no URL, or one
// can't be read, that is the error, and all stays as it was. It is not to be called
// by two at once.
func (n *Node) Replace(texts []string) error {
	if len(texts) == 0 {
		return errors.New("node: no URL")
	}
	urls, err := parseURLs(texts)
	if err != nil {
		return err
	}
	n.secrets.add(urls)
	before := n.endpoints()
	var all []*endpoint
	for _, u := range urls {
		had := func(e *endpoint) bool { return e.url.String() == u.String() && !slices.Contains(all, e) }
		if i := slices.IndexFunc(before, had); i >= 0 {
			all = append(all, before[i])
		} else {
			all = append(all, n.make(u))
		}
	}
	if slices.Equal(before, all) {
		return nil
	}
	n.exchange(all)
	for _, e := range before {
		if !slices.Contains(all, e) {
			e.leave()
		}
	}
	return nil
}

// exchange has all who work with the endpoints take others.
func (n *Node) exchange(all []*endpoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list.Store(&all)
	if !slices.Contains(all, n.lead) {
		n.lead = nil
		close(n.moved)
		n.moved = make(chan struct{})
	}
	close(n.replaced)
	n.replaced = make(chan struct{})
}

// present gives the endpoints, and a channel that is closed when there are others.
func (n *Node) present() ([]*endpoint, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.endpoints(), n.replaced
}

// leave ends what is kept for an endpoint that is asked no more.
func (e *endpoint) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	e.metrics.forget(e.label)
	e.hangUp()
}

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// counts say how often each thing happened.
type counts struct {
	mu      sync.Mutex // guards counted
	counted map[string]int
}

func newCounts() *counts { return &counts{counted: map[string]int{}} }

func (c *counts) add(what string) { c.addN(what, 1) }

func (c *counts) addN(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted[what] += n
}

func (c *counts) merge(other *counts) {
	for what, n := range other.counted {
		c.addN(what, n)
	}
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out strings.Builder
	for _, what := range slices.Sorted(maps.Keys(c.counted)) {
		fmt.Fprintf(&out, "%9d  %s\n", c.counted[what], what)
	}
	return out.String()
}

package command

import (
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
)

// A development node in a container is not on this machine, and its blocks are
// proved. When one can't be, it is said what to do, once.
func TestDevnetElsewhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, client, flag string
		want               int
	}{
		{"anvil", "anvil/v1.7.1", "--verify=auto", 1},
		{"anvil, and the user knows", "anvil/v1.7.1", "--verify=strict", 0},
		{"geth", "Geth/v1.17.10", "--verify=auto", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := nodetest.New(recording())
			host := strings.NewReplacer(" ", "-", ",", "").Replace(tt.name) + ".container.example"
			fake.Do(func(n *nodetest.Node) {
				n.Head, n.Client = 60, tt.client
				for number := uint64(20); number < 60; number += 10 {
					n.Faults[number] = &nodetest.Fault{Kind: nodetest.WrongRoot}
				}
			})
			remotes.hosts.Store(host, fake)
			p, page := follow(t, newDB(t), "http://"+host, "--rps", "-1", tt.flag)
			reaches(t, page, 61, 4)
			if got := strings.Count(p.stderr.String(), "--verify warn"); got != tt.want {
				t.Errorf("it is said %d times instead of %d:\n%s", got, tt.want, &p.stderr)
			}
		})
	}
}

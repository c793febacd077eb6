//go:build e2e && unix

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/e2e/nodes"
	"gapless/testdata/manners"
)

// What real nodes answer to odd questions is what the table has that replay goes
// by, and a replay of their file answers the same.
func TestManners(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *nodes.Node{
		"geth":     func(t *testing.T) *nodes.Node { return nodes.StartGethDev(t, 0) },
		"anvil":    func(t *testing.T) *nodes.Node { return nodes.StartAnvil(t) },
		"hardhat2": func(t *testing.T) *nodes.Node { return nodes.StartHardhat(t, "") },
		"hardhat3": func(t *testing.T) *nodes.Node { return nodes.StartHardhat3(t) },
		"ganache":  func(t *testing.T) *nodes.Node { return nodes.StartGanache(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t)
			const head = 20
			for number := range head {
				emit(t, n)
				reach(t, n, number+1)
			}
			ofNode := manners.Ask(head, asker(t, n.HTTP))
			ofReplay := manners.Ask(head, asker(t, replay(t, index(t, n))))
			for i := range ofNode {
				if ofNode[i] != ofReplay[i] && !manners.MayDiffer(ofNode[i], ofReplay[i]) {
					t.Errorf("the node: %s, replay: %s", ofNode[i], ofReplay[i])
				}
			}
			path := filepath.Join("../../testdata/manners", name+".golden")
			got := manners.Table(ofNode, ofReplay)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-golden +now):\n%s", diff)
			}
		})
	}
}

// reach waits until the node has a block.
func reach(t *testing.T, n *nodes.Node, number int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); must(t, n, "eth_blockNumber") != fmt.Sprintf("%#x", number); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("block %d does not come", number)
		}
	}
}

func asker(t *testing.T, url string) manners.Call {
	return func(method, params string) (json.RawMessage, int, string) {
		t.Helper()
		var args []any
		if err := json.Unmarshal([]byte(params), &args); err != nil {
			t.Fatal(err)
		}
		result, err := nodes.Call(t.Context(), url, method, args...)
		if e, ok := errors.AsType[*nodes.Error](err); ok {
			return nil, e.Code, e.Message
		}
		if err != nil {
			t.Fatal(err)
		}
		return result, 0, ""
	}
}

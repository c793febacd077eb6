package command

import (
	"net/http/httptest"
	"strings"
	"testing"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A node that lost its data and syncs again loses nothing of the file, and the
// process, its page and its log say what it waits for.
func TestNodeFallsBack(t *testing.T) {
	t.Parallel()
	c := devchain.Build(devchain.Spec{Blocks: 1200})
	fake := nodetest.New(c)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	db := newDB(t)
	p, page := follow(t, db, server.URL)
	reaches(t, page, 1201, 0)
	fake.Do(func(n *nodetest.Node) { n.Head, n.Syncing = 0, 1200 })
	p.says("nothing is deleted")
	const want = "the node is at 0, this file at 1,200: waiting; nothing is deleted"
	eventually(t, want, func() bool { return status(t, page).State == want })
	if st := status(t, page); !st.NodeBehind || !st.Ready || st.Next != 1201 {
		t.Errorf("status %+v", st)
	}
	if out := mustGapless(t, "status", "--db", db); !strings.Contains(out, "lag       "+want) {
		t.Errorf("gapless status says\n%s", out)
	}
	if _, html := get(t, page+"/"); !strings.Contains(html, want) {
		t.Errorf("the page does not say it:\n%s", html)
	}
	p.stop()
	if n := strings.Count(p.stderr.String(), "nothing is deleted"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, &p.stderr)
	}
	p, page = follow(t, db, server.URL)
	eventually(t, want, func() bool { return status(t, page).State == want })
	longer := devchain.Build(devchain.Spec{Blocks: 1203})
	fake.Do(func(n *nodetest.Node) { n.Chain, n.Head, n.Syncing = longer, 1203, 0 })
	reaches(t, page, 1204, 0)
	if st := status(t, page); st.NodeBehind || st.State != "following" {
		t.Errorf("status %+v", st)
	}
	p.stop()
	mustGapless(t, "verify", "--db", db)
}

// A run up to the head follows a revert first, and says so where the node is
// behind the file. One up to a number that is there has all.
func TestUntilWithAShorterChain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, client, until, flag string
		code                      int
		says, holds               string
	}{
		{"a development node", "anvil/v1.7.1", "latest", "", exitDone, "next_block=11", "block 0 to 10"},
		{"a development node that is waited for", "anvil/v1.7.1", "latest", "wait", exitFailed, "the node is at 10, this file at 17", "block 0 to 17"},
		{"another node", "Geth/v1.17.10", "latest", "", exitFailed, "the node is at 10, this file at 17", "block 0 to 17"},
		{"another node that takes blocks back", "Geth/v1.17.10", "latest", "follow", exitDone, "next_block=11", "block 0 to 10"},
		{"a number", "Geth/v1.17.10", "15", "", exitDone, "next_block=18", "block 0 to 17"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 17}))
			fake.Client = tt.client
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			db := newDB(t)
			args := []string{"run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until"}
			mustGapless(t, append(args, "latest")...)
			fake.Do(func(n *nodetest.Node) { n.Head = 10 })
			args = append(args, tt.until)
			if tt.flag != "" {
				args = append(args, "--on-revert", tt.flag)
			}
			code, _, stderr := gapless(t, args...)
			if code != tt.code {
				t.Errorf("exit %d instead of %d: %s", code, tt.code, stderr)
			}
			if !strings.Contains(stderr, tt.says) {
				t.Errorf("it says\n%s", stderr)
			}
			if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, tt.holds) {
				t.Errorf("verify says\n%s", got)
			}
		})
	}
}

//go:build e2e && unix

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"

	"gapless/internal/node/nodetest"
)

// A switchboard passes on what a browser asks, and counts the streams of events.
type switchboard struct {
	url        string
	open, most atomic.Int64
}

func startSwitchboard(t *testing.T, base string) *switchboard {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	s := new(switchboard)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/events" {
			s.most.Store(max(s.most.Load(), s.open.Add(1)))
			defer s.open.Add(-1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	return s
}

// Twelve tabs are live with one stream, as a browser lets only six have one each; when
// none of them is seen there is none. What is late says so.
func TestPageTabs(t *testing.T) {
	const tabs, first = 12, 300
	b := startBrowser(t)
	s := serve(t, first, nil)
	base, _ := s.loginPage()
	s.has(first)
	board := startSwitchboard(t, base)
	b.open(board.url, "desktop", false)
	each := func(do func()) {
		for i := range tabs {
			b.do("pick", settings{"nth": i}, nil)
			do()
		}
	}
	grow := func(head uint64) { s.node.Do(func(n *nodetest.Node) { n.Head = head }) }
	isLive := func() { b.wait(`document.getElementById("live").textContent === "live"`) }
	at := func(head int) {
		b.wait(`document.querySelector("#state a").textContent === "%d" && document.getElementById("live").textContent === "live"`, head)
	}
	for i := range tabs {
		if i > 0 {
			b.do("tab", nil, nil)
		}
		b.visit([]string{"/", "/blocks", "/block/300", "/missing"}[i%4])
		isLive()
	}
	grow(first + 1)
	each(func() { at(first + 1) })
	b.shot("twelfth")

	each(func() { b.do("hide", settings{"hidden": true}, nil) })
	s.eventually(func() error {
		if n := board.open.Load(); n != 0 {
			return fmt.Errorf("%d streams of hidden tabs", n)
		}
		return nil
	})
	grow(first + 2)
	s.has(first + 2)
	each(func() {
		b.do("hide", settings{"hidden": false}, nil)
		at(first + 2)
	})
	if n := board.most.Load(); n != 1 {
		t.Errorf("%d streams at once", n)
	}

	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	b.wait(`document.getElementById("live").textContent === "not connected"`)
	b.shot("late")
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	grow(first + 3)
	each(func() { at(first + 3) })
	b.sound()

	b.do("open", settings{"base": board.url, "size": "desktop", "without": "SharedWorker"}, nil)
	b.visit("/")
	at(first + 3)
	grow(first + 4)
	at(first + 4)
	if n := board.open.Load(); n != 0 {
		t.Errorf("%d streams without a worker that shares them", n)
	}
	b.sound()
}

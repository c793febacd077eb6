//go:build unix

package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// serveIPC answers over a Unix socket as nodes do: one JSON value after another,
// here in two pieces.
func serveIPC(t *testing.T, n http.RoundTripper) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "geth.ipc")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerIPC(c, n)
		}
	}()
	return path
}

func answerIPC(c net.Conn, n http.RoundTripper) {
	defer c.Close()
	for requests := json.NewDecoder(c); ; {
		var body json.RawMessage
		if requests.Decode(&body) != nil {
			return
		}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://node.example", bytes.NewReader(body))
		if err != nil {
			return
		}
		answer, err := n.RoundTrip(r)
		if err != nil {
			return
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return
		}
		_, _ = c.Write(text[:len(text)/2])
		_, _ = c.Write(append(text[len(text)/2:], '\n'))
	}
}

// A node is asked over its IPC socket, by whatever name.
func TestIPC(t *testing.T) {
	t.Parallel()
	fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 40, Transactions: 2}))
	fake.Head = 40
	path := serveIPC(t, fake)
	for _, name := range []string{path, "ipc://" + path, "ipc:" + path} {
		n, err := node.New(node.Options{URLs: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second over the same connection
			h, err := n.Head(t.Context())
			if err != nil || h.Number != 40 {
				t.Fatal(h, err)
			}
		}
		id, err := n.Identity(t.Context())
		if err != nil || !id.Loopback || id.Genesis == nil {
			t.Errorf("%+v, %v", id, err)
		}
		results, err := n.Blocks(t.Context(), []uint64{1, 2, 3}, 1<<20)
		if err != nil || len(results) != 3 || results[2].Block == nil {
			t.Errorf("%+v, %v", results, err)
		}
		if label := n.State()[0].Label; label != "geth.ipc#1" {
			t.Errorf("it is called %s", label)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A socket that is not there, that is none, or on which nothing is said, is down.
func TestIPCDown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file.ipc")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := serveIPC(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{Body: io.NopCloser(strings.NewReader(`hello}`))}, nil
	}))
	for _, path := range []string{filepath.Join(t.TempDir(), "nowhere.ipc"), file, garbage} {
		n, err := node.New(node.Options{URLs: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Head(t.Context()); err == nil || n.State()[0].Up {
			t.Errorf("%s is up", path)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

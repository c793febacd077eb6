package node

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// schemeIPC is of a node's Unix socket, which has a path and no host.
const schemeIPC = "ipc"

// ipcURL gives the URL for a socket: of ipc:///path, or a path that ends in
// .ipc: another may be of a URL, and hold a key. ok is false if it is none.
func ipcURL(s string) (u *url.URL, ok bool) {
	path, named := strings.CutPrefix(s, schemeIPC+":")
	path, slashes := strings.CutPrefix(path, "//")
	switch {
	case slashes && !strings.HasPrefix(path, "/"):
		return nil, false // it has a host
	case !named && (strings.Contains(s, "://") || !strings.HasSuffix(s, ".ipc")):
		return nil, false
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return &url.URL{Scheme: schemeIPC, Path: path}, path != ""
}

// isLocal reports whether a URL leads to this machine.
func isLocal(u *url.URL) bool { return u.Scheme == schemeIPC || isLoopback(u.Hostname()) }

// A pipe is a connection to a socket. A request has one for itself, so that its
// answer is the next value.
type pipe struct{ net.Conn }

// CloseNow closes it.
func (p *pipe) CloseNow() error { return p.Close() }

// sendPipe sends a body and reads the answer. A connection that was idle may have
// ended since: then a new one is tried.
func (e *endpoint) sendPipe(ctx context.Context, body []byte, most bound, m *meter) ([]byte, error) {
	if p := e.pipes.take(); p != nil {
		answer, err := e.talk(ctx, p, body, most, m)
		if err == nil || ctx.Err() != nil || errors.Is(err, most.exceeded) {
			return answer, err
		}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", e.url.Path)
	if err != nil {
		return nil, err
	}
	return e.talk(ctx, &pipe{c}, body, most, m)
}

// talk sends a message and reads the next value. It keeps the connection for later,
// or closes it after an error.
func (e *endpoint) talk(ctx context.Context, p *pipe, body []byte, most bound, m *meter) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = p.SetDeadline(time.Unix(1, 0)) })
	_, err := p.Write(body)
	var answer []byte
	if err == nil {
		answer, err = most.read(ctx, io.TeeReader(&oneValue{from: p}, m))
	}
	if stop() && err == nil {
		e.pipes.give(p)
		return answer, nil
	}
	_ = p.CloseNow() // it has failed already
	if err == nil {
		err = context.Cause(ctx)
	}
	return nil, err
}

// oneValue reads one object or array of JSON, which is followed by nothing until
// the next request. Who parses it says if it is none.
type oneValue struct {
	from   io.Reader
	depth  int  // of brackets that are open
	text   bool // in a string
	escape bool // behind a \ in a string
	ended  bool
}

func (v *oneValue) Read(p []byte) (n int, err error) {
	if v.ended {
		return 0, io.EOF
	}
	n, err = v.from.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	for _, c := range p[:n] {
		v.see(c)
	}
	return n, err
}

func (v *oneValue) see(c byte) {
	switch {
	case v.escape:
		v.escape = false
	case v.text:
		v.escape, v.text = c == '\\', c != '"'
	case c == '"':
		v.text = true
	case c == '{' || c == '[':
		v.depth++
	case c == '}' || c == ']':
		v.depth--
		v.ended = v.depth <= 0
	}
}

// UsualSockets are where nodes of this machine have theirs, if nobody has set
// another place: geth for Ethereum, its test networks and as a development node, and reth.
func UsualSockets() (paths []string) {
	folders := []string{os.TempDir()}
	if home, err := os.UserHomeDir(); err == nil {
		for _, chain := range []string{"", "sepolia", "hoodi", "holesky"} {
			folders = append(folders, filepath.Join(home, ".ethereum", chain), filepath.Join(home, "Library", "Ethereum", chain))
		}
	}
	for _, folder := range folders {
		for _, name := range []string{"geth.ipc", "reth.ipc"} {
			path := filepath.Join(folder, name)
			if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

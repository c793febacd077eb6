package nodetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// RoundTrip answers a request in memory, so that the node can be a client's
// transport. The connection to a node that is down is refused.
func (n *Node) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	down := n.Down
	n.mu.Unlock()
	if down {
		return nil, refused()
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	w := &recorder{header: http.Header{}, hijacked: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.serve(n, r)
	}()
	select {
	case <-ended:
	case <-w.hijacked:
	}
	if err := context.Cause(r.Context()); err != nil {
		w.abandon()
		return nil, err
	}
	return w.response(r)
}

// abandon hangs up if the connection was hijacked: nobody has its other end.
func (w *recorder) abandon() {
	select {
	case <-w.hijacked:
		_ = w.client.Close() // a pipe's does not fail
	default:
	}
}

// Hosts are several nodes in memory, each at its host:port, as one transport.
// Connections to others are refused.
type Hosts map[string]*Node

// RoundTrip answers a request by the node at its host.
func (h Hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	n, ok := h[r.URL.Host]
	if !ok {
		return nil, refused()
	}
	return n.RoundTrip(r)
}

func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// A recorder keeps an answer, or the two ends of a hijacked connection.
type recorder struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	aborted  bool
	hijacked chan struct{} // closed by Hijack
	client   net.Conn
}

// serve runs the handler as a server does.
func (w *recorder) serve(n *Node, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			w.aborted = true
		}
	}()
	// The context of an upgraded connection outlives its request.
	if r.Header.Get("Upgrade") != "" {
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	n.ServeHTTP(w, r)
}

// Header is part of [http.ResponseWriter].
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader is part of [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Hijack is part of [http.Hijacker].
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	client, server := net.Pipe()
	w.client = client
	close(w.hijacked)
	return server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), nil
}

func (w *recorder) response(r *http.Request) (*http.Response, error) {
	if w.aborted && w.status == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	w.WriteHeader(http.StatusOK)
	response := &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Request: r, ContentLength: -1,
	}
	if length, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		response.ContentLength = length
	}
	switch {
	case w.client != nil:
		response.Body = w.client
	case w.aborted:
		response.Body = io.NopCloser(io.MultiReader(&w.body, cutOff{}))
	default:
		response.Body = io.NopCloser(&w.body)
	}
	return response, nil
}

// A cutOff ends a body too early.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

//go:build e2e && unix

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// wireFaults spoil a whole answer.
func wireFaults() []fault {
	body := func(name, contentType string, edit func([]byte) []byte) fault {
		return fault{name: name, wire: func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(edit(body))
		}}
	}
	text := func(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }
	const json, page = "application/json", "<html><body><h1>Bad gateway</h1></body></html>"
	return []fault{
		{name: "truncated body", wire: truncated},
		{name: "truncated chunks", wire: truncatedChunks},
		{name: "connection reset", wire: reset},
		{name: "connection closed", wire: hangUp},
		{name: "slow body", wire: slow},
		{name: "huge length", wire: hugeLength},
		{name: "status 500", wire: status(500, "")},
		{name: "status 502", wire: status(502, page)},
		{name: "status 503", wire: status(503, "")},
		{name: "status 504 with the answer", wire: func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = w.Write(body)
		}},
		{name: "status 204", wire: status(204, "")},
		{name: "status 413", wire: status(413, "too large")},
		{name: "redirect", wire: func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, "http://127.0.0.1:9/elsewhere", http.StatusTemporaryRedirect)
		}},
		{name: "garbled gzip", wire: func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(append([]byte("\x1f\x8b\x08\x00\xff"), body...))
		}},
		{name: "two lengths", wire: twoLengths},
		body("HTML", "text/html", text(page)),
		body("empty body", json, text("")),
		body("plain text", "text/plain", func(b []byte) []byte { return b }),
		body("empty object", json, text("{}")),
		body("empty array", json, text("[]")),
		body("null", json, text("null")),
		body("half an answer", json, func(b []byte) []byte { return b[:len(b)/2] }),
		body("garbage", json, text("\x00\xff\xfe\x80garbage\x00")),
		body("trailing garbage", json, func(b []byte) []byte { return append(bytes.Clone(b), "\n<!-- cached -->"...) }),
		body("the answer twice", json, func(b []byte) []byte { return append(bytes.Clone(b), b...) }),
		body("byte order mark", json, func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }),
		body("deep nesting", json, text(strings.Repeat("[", 1<<20))),
		body("flipped bits", json, flipBits),
		body("one error object", json, text(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}`)),
		body("array of one error", json, text(`[{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"injected"}}]`)),
	}
}

// A limitFault asks the client to come later, or not at all; each takes time by
// itself.
func limitFaults(p *proxy) []fault {
	return []fault{
		{name: "status 429", wire: status(429, "slow down")},
		{name: "status 429, Retry-After", wire: retryAfter(429)},
		{name: "status 503, Retry-After", wire: retryAfter(503)},
		{name: "error -32005", wire: func(w http.ResponseWriter, r *http.Request, _ []byte) {
			intact(w, r, []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}`))
		}},
		{name: "status 401 for a while", wire: func(w http.ResponseWriter, r *http.Request, body []byte) {
			p.mu.Lock()
			p.denies = time.Now().Add(700 * time.Millisecond)
			p.mu.Unlock()
			status(401, "who are you")(w, r, body)
		}},
	}
}

// hangFaults are answers that do not come until the client gives up.
func hangFaults() []fault {
	return []fault{{name: "hang", wire: func(_ http.ResponseWriter, r *http.Request, _ []byte) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}}}
}

// drip sends a byte a second.
func drip(w http.ResponseWriter, r *http.Request, body []byte) {
	for i := range body {
		_, _ = w.Write(body[i : i+1])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

func status(code int, body string) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = w.Write([]byte(body))
		}
	}
}

func retryAfter(code int) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Retry-After", "1")
		status(code, "later")(w, r, body)
	}
}

func truncated(w http.ResponseWriter, _ *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body[:len(body)/2])
	panic(http.ErrAbortHandler)
}

func truncatedChunks(w http.ResponseWriter, _ *http.Request, body []byte) {
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func hugeLength(w http.ResponseWriter, _ *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.FormatUint(1<<40, 10))
	_, _ = w.Write(body)
	panic(http.ErrAbortHandler)
}

func hangUp(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) }

// reset ends the connection by a RST in mid-answer.
func reset(w http.ResponseWriter, _ *http.Request, body []byte) {
	c, _, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		panic(http.ErrAbortHandler) // over a WebSocket
	}
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:len(body)/2])
	_ = c.Close()
}

// twoLengths sends headers that contradict each other.
func twoLengths(w http.ResponseWriter, _ *http.Request, body []byte) {
	c, _, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		return
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Length: 7\r\n\r\n%s", len(body), body)
	_ = c.Close()
}

// slow sends the answer in pieces over a second.
func slow(w http.ResponseWriter, r *http.Request, body []byte) {
	const pieces = 20
	for i := range pieces {
		_, _ = w.Write(body[len(body)*i/pieces : len(body)*(i+1)/pieces])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Second / pieces):
		}
	}
}

// flipBits makes what is no JSON any more out of an answer.
func flipBits(body []byte) []byte {
	spoiled := bytes.Clone(body)
	for i := len(spoiled) / 3; i < len(spoiled); i += len(spoiled)/3 + 1 {
		spoiled[i] ^= 0x80
	}
	return spoiled
}

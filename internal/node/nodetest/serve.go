package nodetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// A request is one call of a message.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// A reply is an answer to a message, and the fault that spoils all of it.
type reply struct {
	body  []byte
	fault *Fault
}

// ServeHTTP answers a POST, or an upgrade to a WebSocket.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	down := n.Down
	n.Headers = append(n.Headers, r.Header.Get("Authorization"))
	n.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler) // the nearest to a refused connection
	}
	if r.Header.Get("Upgrade") != "" {
		n.serveSocket(w, r)
		return
	}
	message, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	reply := n.answer(message)
	if reply.fault != nil {
		reply.fault.serve(w, r, reply.body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(reply.body) // the client's loss
}

// replaced are the kinds that send another body, or a header that is wrong.
var replaced = map[Kind]struct {
	header, value string
	edit          func(body []byte) []byte
}{
	HTML:            {"Content-Type", "text/html", text("<html><body>Bad gateway</body></html>")},
	TrailingGarbage: {"Content-Type", "application/json", func(body []byte) []byte { return append(body, "\n<!-- cached -->"...) }},
	GarbledGzip:     {"Content-Encoding", "gzip", func(body []byte) []byte { return append([]byte("\x1f\x8b\x08\x00\xff"), body...) }},
	EmptyBody:       {"Content-Type", "application/json", text("")},
	EmptyObject:     {"Content-Type", "application/json", text("{}")},
	EmptyArray:      {"Content-Type", "application/json", text("[]")},
	PlainText:       {"Content-Type", "text/plain", func(body []byte) []byte { return body }},
}

func text(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }

// serve spoils a whole answer.
func (f *Fault) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	if as, ok := replaced[f.Kind]; ok {
		w.Header().Set(as.header, as.value)
		_, _ = w.Write(as.edit(body)) // the client's loss
		return
	}
	switch f.Kind {
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, f.Message, f.code(http.StatusInternalServerError))
		return
	case TruncatedBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
	case HugeBody:
		w.Header().Set("Content-Length", strconv.FormatUint(1<<40, 10))
		_, _ = w.Write(body)
	case Hang:
		<-r.Context().Done()
	case SlowDrip:
		drip(w, r, body)
		return
	}
	panic(http.ErrAbortHandler)
}

// drip sends a body slowly, until the request is given up.
func drip(w http.ResponseWriter, r *http.Request, body []byte) {
	for i := range body {
		_, _ = w.Write(body[i : i+1])
		_ = http.NewResponseController(w).Flush() // in memory there is nothing to flush
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// answer answers a message, which is a call or a batch of them.
func (n *Node) answer(message []byte) reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Posts++
	used := map[*Fault]bool{}
	defer func() {
		for f := range used {
			f.Used++
		}
	}()
	var body []byte
	if bytes.HasPrefix(bytes.TrimSpace(message), []byte("[")) {
		body = n.batch(message, used)
	} else {
		var r request
		if err := json.Unmarshal(message, &r); err != nil {
			body = n.encode(nil, fail(-32700, "parse error"))
		} else {
			a := n.one(r, used)
			if !a.dropped {
				body = n.encode(r.answered(a), a)
			}
		}
	}
	if !n.Every.over() {
		used[n.Every] = true
	}
	for f := range used {
		if f.whole() {
			return reply{body, f}
		}
	}
	return reply{body: body}
}

func (n *Node) batch(message []byte, used map[*Fault]bool) []byte {
	var requests []request
	if err := json.Unmarshal(message, &requests); err != nil || len(requests) == 0 {
		return n.encode(nil, fail(-32600, "empty batch"))
	}
	if n.MaxBatch > 0 && len(requests) > n.MaxBatch {
		refusal := n.encode(requests[0].ID, fail(-32600, "batch too large"))
		if n.RefuseByObject {
			return refusal
		}
		return append(append([]byte("["), refusal...), ']')
	}
	n.Largest = max(n.Largest, len(requests))
	answers := make([]answer, len(requests))
	for i, r := range requests {
		answers[i] = n.one(r, used)
	}
	swap(answers)
	items := make([]json.RawMessage, 0, len(requests))
	for i, a := range answers {
		if !a.dropped {
			items = append(items, n.encode(requests[i].answered(a), a))
		}
	}
	if n.Reverse {
		for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
			items[i], items[j] = items[j], items[i]
		}
	}
	body, _ := json.Marshal(items) // raw answers always can be
	return body
}

// answered is the id that the answer has.
func (r *request) answered(a answer) json.RawMessage {
	if a.wrongID {
		return json.RawMessage("4294967295")
	}
	return r.ID
}

// swap gives calls the result of the next one of their method, or of any.
func swap(answers []answer) {
	for i := range answers {
		if !answers[i].swapped {
			continue
		}
		with := (i + 1) % len(answers)
		for j := 1; j < len(answers); j++ {
			if at := (i + j) % len(answers); answers[at].method == answers[i].method {
				with = at
				break
			}
		}
		answers[i].Result, answers[with].Result = answers[with].Result, answers[i].Result
	}
}

// one answers a call, with the fault of the block that it is about. Tags are
// served without faults, and so is an index of all blocks below the head.
func (n *Node) one(r request, used map[*Fault]bool) answer {
	n.Methods[r.Method]++
	a := n.call(r.Method, r.Params)
	a.method = r.Method
	if a.about == nil || a.Error != nil || isTag(r.Params) {
		return a
	}
	f := n.fault(a.about.Number)
	if f != nil && (f.whole() || f.spoil(&a, r.Method, a.about)) {
		used[f] = true
	}
	return a
}

func isTag(params []json.RawMessage) bool {
	return len(params) > 0 && len(params[0]) > 1 && params[0][0] == '"' && params[0][1] != '0'
}

func (n *Node) encode(id json.RawMessage, a answer) []byte {
	if id == nil {
		id = null
	}
	if n.StringIDs && id[0] != '"' {
		id = json.RawMessage(strconv.Quote(string(id)))
	}
	fields := map[string]any{"jsonrpc": "2.0", "id": id}
	if a.Error != nil {
		fields["error"] = a.Error
	} else {
		fields["result"] = a.Result
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"not encodable"}}`)
	}
	return body
}

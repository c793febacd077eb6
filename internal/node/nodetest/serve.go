package nodetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
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

// serve spoils a whole answer.
func (f *Fault) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	switch f.Kind {
	case TruncatedBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Bad gateway</body></html>")
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, f.Message, f.code(http.StatusInternalServerError))
	default:
		panic(http.ErrAbortHandler)
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
			body = n.encode(r.ID, n.one(r, used))
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
	items := make([]json.RawMessage, 0, len(requests))
	for _, r := range requests {
		if a := n.one(r, used); !a.dropped {
			items = append(items, n.encode(r.ID, a))
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

// one answers a call, with the fault of the block that it is about. Tags are
// served without faults, and so is an index of all blocks below the head.
func (n *Node) one(r request, used map[*Fault]bool) answer {
	n.Methods[r.Method]++
	a := n.call(r.Method, r.Params)
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

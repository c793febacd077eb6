package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// A socket is one WebSocket connection. subscription is guarded by the node.
type socket struct {
	conn         *websocket.Conn
	cut          context.CancelFunc
	subscription string // id; empty: none
	heads        chan json.RawMessage
}

// announce queues a header for a subscriber; one that is a thousand behind
// loses it.
func (s *socket) announce(header json.RawMessage) {
	if s.subscription == "" {
		return
	}
	select {
	case s.heads <- header:
	default:
	}
}

// serveSocket answers calls over a WebSocket until it ends.
func (n *Node) serveSocket(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	refused := n.NoWebSocket
	n.mu.Unlock()
	if refused {
		http.Error(w, "no WebSocket here", http.StatusBadRequest)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket{conn: conn, cut: cancel, heads: make(chan json.RawMessage, 1000)}
	n.mu.Lock()
	n.sockets[s] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.sockets, s)
	}()
	go s.notify(ctx)
	for {
		_, message, err := conn.Read(ctx)
		if err != nil || !n.serveMessage(ctx, s, message) {
			return
		}
	}
}

// serveMessage answers one message. It reports whether the connection lives.
func (n *Node) serveMessage(ctx context.Context, s *socket, message []byte) bool {
	var r request
	if json.Unmarshal(message, &r) == nil && r.Method == "eth_subscribe" {
		return s.conn.Write(ctx, websocket.MessageText, n.subscribe(s, r)) == nil
	}
	reply := n.answer(message)
	if f := reply.fault; f != nil {
		as, ok := replaced[f.Kind]
		if !ok {
			return f.Kind == Hang || f.Kind == SlowDrip
		}
		reply.body = as.edit(reply.body)
	}
	return s.conn.Write(ctx, websocket.MessageText, reply.body) == nil
}

func (n *Node) subscribe(s *socket, r request) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Methods[r.Method]++
	var kind string
	if len(r.Params) > 0 {
		_ = json.Unmarshal(r.Params[0], &kind)
	}
	if kind != "newHeads" {
		return n.encode(r.ID, fail(-32601, fmt.Sprintf("no %q subscription in eth namespace", kind)))
	}
	s.subscription = "0x9cef478923ff08bf67fde6c64013158d"
	return n.encode(r.ID, n.value(s.subscription))
}

// notify sends queued headers until ctx ends.
func (s *socket) notify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case header := <-s.heads:
			params := map[string]any{"subscription": s.subscription, "result": header}
			body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "eth_subscription", "params": params})
			if err != nil || s.conn.Write(ctx, websocket.MessageText, body) != nil {
				return
			}
		}
	}
}

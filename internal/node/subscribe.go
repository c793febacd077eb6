package node

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"gapless/internal/chain"
)

// largestAnnouncement is how many bytes an announcement may have: anvil sends whole
// blocks.
const largestAnnouncement = 64 << 20

// subscribe keeps a subscription to new heads and tells of it, until ctx ends.
func (n *Node) subscribe(ctx context.Context, events chan<- event) {
	const often = 4 // compared with polls, if those are rare
	shortest := max(time.Second, n.PollEvery()/often)
	wait, longest := shortest, max(5*time.Minute, shortest)
	if n.loopback() {
		longest = max(10*time.Second, shortest)
	}
	for ctx.Err() == nil {
		e, moved := n.leader()
		began, _ := n.subscribeOnce(ctx, e, moved, events) // why it ended is no one's trouble: polls tell
		if began {
			wait, longest = shortest, min(longest, max(30*time.Second, shortest))
		}
		select {
		case <-ctx.Done():
		case <-moved:
			wait = shortest
		case <-time.After(jitter(wait)):
			wait = min(2*wait, longest)
		}
	}
}

// subscribeOnce tries the places where the leader may have a WebSocket, and
// serves one subscription until another endpoint leads. began says that there
// was one.
func (n *Node) subscribeOnce(ctx context.Context, e *endpoint, moved <-chan struct{}, events chan<- event) (began bool, err error) {
	if err := n.admit(ctx, e); err != nil {
		return false, err
	}
	for _, u := range e.socketURLs() {
		var c *websocket.Conn
		if c, err = e.newHeads(ctx, u); err != nil {
			continue
		}
		e.subscribed(true)
		err = n.serve(ctx, e, c, moved, events)
		e.subscribed(false)
		_ = c.CloseNow() // it has ended
		return true, err
	}
	if err != nil {
		n.logger.Debug("no subscription", "endpoint", e.label, "err", n.secrets.error(err))
	}
	return false, err
}

// socketURLs gives the URLs where the endpoint may have a WebSocket: where it
// has HTTP, and on loopback at the next port, as geth.
func (e *endpoint) socketURLs() []*url.URL {
	if e.sockets != nil {
		return []*url.URL{e.url}
	}
	if e.pipes != nil {
		return nil
	}
	same := *e.url
	same.Scheme = strings.Replace(e.url.Scheme, "http", "ws", 1)
	urls := []*url.URL{&same}
	port, err := strconv.Atoi(e.url.Port())
	if e.loopback && err == nil && port < 65535 {
		next := same
		next.Host = net.JoinHostPort(e.url.Hostname(), strconv.Itoa(port+1))
		urls = append(urls, &next)
	}
	return urls
}

// newHeads opens a connection and subscribes on it.
func (e *endpoint) newHeads(ctx context.Context, u *url.URL) (*websocket.Conn, error) {
	within, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	c, err := e.dial(within, u)
	if err != nil {
		return nil, err
	}
	if err := e.spend(ctx, 1, leading); err != nil {
		_ = c.CloseNow() // not needed
		return nil, err
	}
	ctx, cancel = context.WithTimeout(ctx, e.timeout) // that was a wait of ours
	defer cancel()
	c.SetReadLimit(largestAnnouncement)
	err = c.Write(ctx, websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`))
	var answer []byte
	if err == nil {
		_, answer, err = c.Read(ctx)
	}
	if err == nil {
		var r []response
		if r, err = parseAnswer(answer, 1); err == nil && r[0].failure != nil {
			err = e.shown(r[0].failure)
		}
	}
	if err != nil {
		_ = c.CloseNow() // useless
		return nil, err
	}
	return c, nil
}

// serve passes on the announcements until the connection or the context ends, or
// another endpoint leads.
func (n *Node) serve(following context.Context, e *endpoint, c *websocket.Conn, moved <-chan struct{}, events chan<- event) error {
	ctx, cancel := context.WithCancel(following)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}()
	if !send(ctx, events, event{live: cancel}) {
		return context.Cause(ctx)
	}
	n.logger.Info("subscribed to new heads", "endpoint", e.label)
	err := e.announcements(ctx, c, events)
	if ctx.Err() == nil {
		n.logger.Info("subscription ended", "endpoint", e.label, "err", n.secrets.error(err))
	}
	// If the follower is the one that ended it, it does no harm to tell it.
	send(following, events, event{ended: true})
	return err
}

func (e *endpoint) announcements(ctx context.Context, c *websocket.Conn, events chan<- event) error {
	most := bound{bytes: largestAnnouncement, exceeded: websocket.ErrMessageTooBig, hold: e.answers.Account().Hold()}
	defer most.hold.Release()
	for {
		message, err := readMessageFrom(ctx, c, most, nil)
		most.hold.Release()
		if err != nil {
			return err
		}
		h, err := announced(message)
		if err != nil {
			return err
		}
		if h == nil {
			continue
		}
		e.sawHead(h.Number)
		if !send(ctx, events, event{header: h}) {
			return context.Cause(ctx)
		}
	}
}

// announced reads an announcement; nil for another message.
func announced(message []byte) (*chain.Header, error) {
	var m struct {
		Method string `json:"method"`
		Params struct {
			Result json.RawMessage `json:"result"`
		} `json:"params"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return nil, errors.New("announcement is not JSON")
	}
	if m.Method != "eth_subscription" {
		return nil, nil
	}
	return chain.DecodeHeader(m.Params.Result)
}

func send(ctx context.Context, events chan<- event, ev event) bool {
	select {
	case events <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

package jsonrpc

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/api/places"
	"gapless/internal/bytebudget"
	"gapless/internal/chain"
)

// subscriptionMethods are what eth_subscribe knows.
type subscriptionMethods struct {
	feed   *feed
	client func(remote string) *socket // nil if it is gone

	turns   places.Places   // of those who send much; others do not wait for them
	ctx     context.Context // ends all subscriptions; of the handler, not of a call
	running sync.WaitGroup
}

var errTooManySubscriptions = &Error{Code: codeLimit, Message: "too many subscriptions; end those that are not needed"}

// NewHeads tells of blocks that come on top.
func (m *subscriptionMethods) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	return m.subscribe(ctx, &interest{out: newOutbox(), head: func(h *chain.Header) answer { return h.AppendHead(nil) }})
}

// Logs tells of logs that the criteria select, also of those of a gap that was
// filled, and with removed of those that a reorg has taken away.
func (m *subscriptionMethods) Logs(ctx context.Context, c Criteria) (*rpc.Subscription, error) {
	var i *interest
	err := m.feed.file.look(ctx, func(v *view) (err error) {
		i, err = newLogs(v, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m.subscribe(ctx, i)
}

// NewPendingTransactions tells of nothing: an index has no transactions that wait
// for a block. Its parameter, which asks for them whole, is not looked at.
func (m *subscriptionMethods) NewPendingTransactions(ctx context.Context, _ *json.RawMessage) (*rpc.Subscription, error) {
	return m.subscribe(ctx, silent())
}

// Syncing tells of nothing, as geth does on a chain that it has: whether the
// index is behind is for eth_syncing.
func (m *subscriptionMethods) Syncing(ctx context.Context) (*rpc.Subscription, error) {
	return m.subscribe(ctx, silent())
}

func (m *subscriptionMethods) subscribe(ctx context.Context, i *interest) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	client := m.client(rpc.PeerInfoFromContext(ctx).RemoteAddr)
	if client == nil {
		return nil, context.Canceled
	}
	if !i.out.open(client.behind, i.size()) {
		return nil, errTooManySubscriptions
	}
	if err := m.feed.add(ctx, i); err != nil {
		i.out.close()
		return nil, err
	}
	subscription := notifier.CreateSubscription()
	m.running.Go(func() {
		defer i.out.close()
		defer m.feed.remove(i)
		if !m.send(&sending{notifier, subscription, i, client.account.Hold()}) {
			client.drop()
		}
	})
	return subscription, nil
}

// A sending is a subscription whose news are sent.
type sending struct {
	notifier *rpc.Notifier
	*rpc.Subscription
	*interest
	hold *bytebudget.Hold // of what is sent
}

// send sends what comes until the client or the server ends it. It is false if
// the client has missed something, and must be told by the end of its connection.
func (m *subscriptionMethods) send(s *sending) bool {
	for {
		select {
		case <-m.ctx.Done():
			return true
		case <-s.Err():
			return true
		case <-s.out.wake:
		}
		items, ok := s.out.take()
		if !ok {
			return false
		}
		for some := range slices.Chunk(items, itemsInTurn) {
			if !m.sendSome(s, some) {
				return false
			}
		}
	}
}

// How much one who sends much sends in a turn: so many items, and whatever time
// that takes, others have a turn after so much, as the client may not read.
const (
	itemsInTurn = 64
	turnTime    = 5 * time.Millisecond
)

// sendSome sends some items, when it is the subscription's turn. Few have one at a
// time, so that many who send much leave the processor to others.
func (m *subscriptionMethods) sendSome(s *sending, items []item) bool {
	if s.mayBeLarge() {
		if m.turns.Enter(m.ctx) != nil {
			return true
		}
		leave := sync.OnceFunc(m.turns.Leave)
		defer leave()
		defer time.AfterFunc(turnTime, leave).Stop()
	}
	for _, one := range items {
		if !m.notify(s, one) {
			return false
		}
	}
	return true
}

// notify sends one item. One for which there is no room is dropped, and made again
// when there is.
func (m *subscriptionMethods) notify(s *sending, one item) bool {
	defer s.hold.Release()
	result, err := s.encode(m.ctx, one)
	for err == nil && s.mayBeLarge() {
		bytes := 2 * int64(len(result))
		if s.hold.TryResize(bytes) {
			break
		}
		result = nil // else it is kept until there is room for it
		if err = s.hold.Resize(m.ctx, bytes); err == nil {
			result, err = s.encode(m.ctx, one)
		}
	}
	if err != nil {
		return m.ctx.Err() != nil
	}
	return result == nil || s.notifier.Notify(s.ID, result) == nil
}

package jsonrpc

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
)

// subscriptionMethods are what eth_subscribe knows.
type subscriptionMethods struct {
	feed *feed
	drop func(remote string) // closes a client's connection, to be opened again later

	turns   places          // of those who send much; others do not wait for them
	ctx     context.Context // ends all subscriptions; of the handler, not of a call
	running sync.WaitGroup
}

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
	if err := m.feed.add(ctx, i); err != nil {
		return nil, err
	}
	subscription := notifier.CreateSubscription()
	remote := rpc.PeerInfoFromContext(ctx).RemoteAddr
	m.running.Go(func() {
		defer m.feed.remove(i)
		if !m.send(notifier, subscription, i) {
			m.drop(remote)
		}
	})
	return subscription, nil
}

// send sends what comes until the client or the server ends it. It is false if
// the client has missed something, and must be told by the end of its connection.
func (m *subscriptionMethods) send(notifier *rpc.Notifier, s *rpc.Subscription, i *interest) bool {
	for {
		select {
		case <-m.ctx.Done():
			return true
		case <-s.Err():
			return true
		case <-i.out.wake:
		}
		items, ok := i.out.take()
		if !ok {
			return false
		}
		for some := range slices.Chunk(items, itemsInTurn) {
			if !m.sendSome(notifier, s.ID, i, some) {
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
func (m *subscriptionMethods) sendSome(notifier *rpc.Notifier, id rpc.ID, i *interest, items []item) bool {
	if i.logs != nil || i.expand != nil {
		if m.turns.enter(m.ctx) != nil {
			return true
		}
		leave := sync.OnceFunc(m.turns.leave)
		defer leave()
		defer time.AfterFunc(turnTime, leave).Stop()
	}
	for _, one := range items {
		if !m.notify(notifier, id, i, one) {
			return false
		}
	}
	return true
}

// notify sends one item.
func (m *subscriptionMethods) notify(notifier *rpc.Notifier, id rpc.ID, i *interest, one item) bool {
	result, err := i.encode(m.ctx, one)
	if err != nil {
		return m.ctx.Err() != nil
	}
	return result == nil || notifier.Notify(id, result) == nil
}

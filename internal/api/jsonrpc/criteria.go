package jsonrpc

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// What a log filter may have, as geth has it.
const (
	mostTopics = 4
	mostValues = 1000 // addresses, or topics at a position
)

// A Criteria is the filter object of eth_getLogs, eth_newFilter and
// eth_subscribe.
type Criteria struct {
	BlockHash          *common.Hash
	FromBlock, ToBlock *rpc.BlockNumber // nil: latest
	Addresses          []common.Address // none: any
	Topics             [][]common.Hash  // by position; none: any
}

// UnmarshalJSON reads the object in all its forms: one address or several;
// topics that are null, one, or several, of which a null is any.
func (c *Criteria) UnmarshalJSON(data []byte) error {
	var raw struct {
		BlockHash *common.Hash      `json:"blockHash"`
		FromBlock *rpc.BlockNumber  `json:"fromBlock"`
		ToBlock   *rpc.BlockNumber  `json:"toBlock"`
		Address   json.RawMessage   `json:"address"`
		Topics    []json.RawMessage `json:"topics"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if raw.BlockHash != nil && (raw.FromBlock != nil || raw.ToBlock != nil) {
		return errors.New("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
	}
	if len(raw.Topics) > mostTopics {
		return errors.New("exceed max topics")
	}
	*c = Criteria{BlockHash: raw.BlockHash, FromBlock: raw.FromBlock, ToBlock: raw.ToBlock}
	var err error
	if c.Addresses, _, err = oneOrSeveral[common.Address](raw.Address); err != nil {
		return fmt.Errorf("invalid address: %w", err)
	}
	for _, t := range raw.Topics {
		topics, anyOf, err := oneOrSeveral[common.Hash](t)
		if err != nil {
			return fmt.Errorf("invalid topic(s): %w", err)
		}
		if anyOf {
			topics = nil
		}
		c.Topics = append(c.Topics, topics)
	}
	return nil
}

// oneOrSeveral reads a value, an array of them, or null. hasNull says whether
// the array has a null in it.
func oneOrSeveral[T any](raw json.RawMessage) (values []T, hasNull bool, err error) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return nil, false, nil
	case raw[0] != '[':
		var one T
		err := json.Unmarshal(raw, &one)
		return []T{one}, false, err
	}
	var several []*T
	if err := json.Unmarshal(raw, &several); err != nil {
		return nil, false, err
	}
	for _, v := range several {
		if v == nil {
			hasNull = true
			continue
		}
		values = append(values, *v)
	}
	return values, hasNull, nil
}

// check refuses what is too much to look for.
func (c *Criteria) check() error {
	if len(c.Addresses) > mostValues {
		return errTooManyTopics
	}
	for _, topics := range c.Topics {
		if len(topics) > mostValues {
			return errTooManyTopics
		}
	}
	return nil
}

// bound gives an end of the range.
func bound(at *rpc.BlockNumber) rpc.BlockNumber {
	if at == nil {
		return rpc.LatestBlockNumber
	}
	return *at
}

// resolve gives the query for logs that are stored; its range is empty, the first
// block above the last, if there are none to look for.
func (c *Criteria) resolve(v *view) (*store.LogQuery, error) {
	m, err := v.manner()
	if err != nil {
		return nil, err
	}
	q := &store.LogQuery{Addresses: c.Addresses, Topics: c.Topics}
	if c.BlockHash == nil {
		return q, c.resolveRange(v, m, q)
	}
	number, may, err := v.find(byHash(*c.BlockHash))
	q.First, q.Last = number, number
	if err == nil && !may {
		q.First, q.Last, err = 1, 0, m.unknownLogs
	}
	return q, err
}

// ends are those of the range, as numbers or tags.
func (c *Criteria) ends(m *manner) (r logRange, err error) {
	r = logRange{from: bound(c.FromBlock), to: bound(c.ToBlock)}
	for _, at := range []*rpc.BlockNumber{&r.from, &r.to} {
		switch {
		case *at != rpc.PendingBlockNumber:
		case m.pendingLogs:
			*at = rpc.LatestBlockNumber
		default:
			return r, errPendingLogs
		}
	}
	return r, nil
}

// resolveRange looks the ends of the range up.
func (c *Criteria) resolveRange(v *view, m *manner, q *store.LogQuery) error {
	r, err := c.ends(m)
	if err != nil {
		return err
	}
	start, err := v.Start()
	if err != nil {
		return err
	}
	latest, err := v.latest()
	if err != nil {
		return err
	}
	if r.first, err = v.number(r.from); err != nil {
		return err
	}
	if r.last, err = v.number(r.to); err != nil {
		return err
	}
	if err := v.whole(max(latest+1, r.first), r.last); err != nil { // missing at the head
		return err
	}
	q.First, q.Last, err = m.logs(r, latest)
	if err == nil && q.First <= q.Last && q.First < start {
		err = errPruned
	}
	return err
}

// matches reports whether a log is one of those that a subscription is about.
// Of the range only numbers count, as with geth.
func (c *Criteria) matches(number uint64, l *chain.Log) bool {
	if c.FromBlock != nil && *c.FromBlock >= 0 && number < uint64(*c.FromBlock) {
		return false
	}
	if c.ToBlock != nil && *c.ToBlock >= 0 && number > uint64(*c.ToBlock) {
		return false
	}
	return (&store.LogQuery{Addresses: c.Addresses, Topics: c.Topics}).Matches(l)
}

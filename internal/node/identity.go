package node

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// ErrAnotherChain is in the error of an endpoint that is refused because it is
// not on the chain that is expected.
var ErrAnotherChain = errors.New("another chain")

// An expectation is the chain that endpoints must be on.
type expectation struct {
	known   bool
	told    bool // by the caller, not by an endpoint
	chainID uint64
	genesis common.Hash // zero: not known
}

// A description is what an endpoint tells of itself.
type description struct {
	chain.Identity
	fork     *Fork // nil: it says nothing of one
	instance string
}

// genesis is zero if the endpoint does not have block 0.
func (d *description) genesis() (hash common.Hash) {
	if d.Genesis != nil {
		hash = d.Genesis.Hash
	}
	return hash
}

// Expect says which chain all endpoints must be on; a zero genesis stands for
// any. Without it the first endpoint that answers says so. Endpoints that were
// refused are looked at anew.
func (n *Node) Expect(chainID uint64, genesis common.Hash) {
	n.expect(expectation{known: true, told: true, chainID: chainID, genesis: genesis})
}

func (n *Node) expect(x expectation) {
	n.mu.Lock()
	before := n.expected
	n.expected = x
	n.mu.Unlock()
	for _, e := range n.endpoints() {
		e.doubt(before.chainID != x.chainID || before.genesis != x.genesis)
	}
}

// Identity asks which chain the nodes are on. It tells of the first endpoint on
// the chain that is expected. Where there is none it tells of one on a chain of
// the same id with another genesis, though blocks and headers are not to be had
// from there: such a chain was reset, or the endpoint is a wrong one. The caller
// decides, with Expect; one that never called that has decided by asking. Another
// chain id is an error of class EndpointRefuses.
func (n *Node) Identity(ctx context.Context) (chain.Identity, error) {
	d, err := n.describe(ctx)
	if err != nil {
		return chain.Identity{Loopback: n.loopback()}, err
	}
	n.mu.Lock()
	x := n.expected
	n.mu.Unlock()
	if !x.told && d.Genesis != nil && x.genesis != d.genesis() {
		n.expect(expectation{known: true, chainID: d.ChainID, genesis: d.genesis()})
	}
	return d.Identity, nil
}

// describe asks endpoints, in their order, until one is on the expected chain.
func (n *Node) describe(ctx context.Context) (other *description, failed error) {
	for _, e := range n.ranked() {
		d, err := n.learn(ctx, e)
		if err == nil {
			if err = n.judge(e, d); err == nil {
				return d, nil
			}
			if n.sameChainID(d) && other == nil {
				other = d
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		failed = worse(failed, err)
	}
	if other != nil {
		return other, nil
	}
	return nil, failed
}

// admit makes sure that an endpoint is on our chain. It asks before the first
// use, and after each outage.
func (n *Node) admit(ctx context.Context, e *endpoint) error {
	ok, before, _ := e.admission()
	if ok {
		return nil
	}
	select {
	case e.identifying <- struct{}{}:
		defer func() { <-e.identifying }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ok, failures, err := e.admission()
	switch {
	case ok:
		return nil
	case err != nil && (failures != before || e.isForeign()):
		return err // somebody else has just found out
	}
	d, err := n.learn(ctx, e)
	if err != nil {
		return err
	}
	return n.judge(e, d)
}

// learn asks an endpoint for its description. One that is not the expected one
// must be told twice in a row: an answer may be spoiled.
func (n *Node) learn(ctx context.Context, e *endpoint) (*description, error) {
	const tries = 4
	var before *description
	for range tries {
		d, err := n.ask(ctx, e)
		if err != nil {
			return nil, err
		}
		if n.expects(d) || before != nil && before.ChainID == d.ChainID && before.genesis() == d.genesis() {
			return d, nil
		}
		before = d
	}
	err := errorf(chain.EndpointDown, "%s: tells of another chain each time", e.label)
	return nil, e.blame(ctx, err)
}

func (n *Node) ask(ctx context.Context, e *endpoint) (*description, error) {
	id, genesis, client := newCall("eth_chainId"), newCall("eth_getBlockByNumber", "0x0", false), newCall("web3_clientVersion")
	if err := e.do(ctx, []*call{id, genesis, client}, 1); err != nil {
		return nil, err
	}
	if id.err != nil {
		return nil, id.err
	}
	d := &description{Identity: chain.Identity{Loopback: n.loopback()}}
	var err error
	if d.ChainID, err = parseQuantity(id.raw); err != nil {
		return nil, errorf(chain.Invalid, "%s: chain id is not a number", e.label)
	}
	if genesis.err == nil {
		d.Genesis, _ = chain.DecodeHeader(genesis.raw) // nil for a null and for nonsense
	}
	if client.err == nil {
		_ = json.Unmarshal(client.raw, &d.Client) // stays empty
		d.Client = e.secrets.text(d.Client)       // a proxy may answer in the node's place
	}
	return d, e.askDevnet(ctx, d)
}

// expects reports whether a description is the one that is expected.
func (n *Node) expects(d *description) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	x := n.expected
	return x.known && x.chainID == d.ChainID && (x.genesis == d.genesis() || x.genesis == common.Hash{} || d.Genesis == nil)
}

func (n *Node) sameChainID(d *description) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.expected.chainID == d.ChainID
}

// judge admits an endpoint, or refuses it because it is on another chain. The
// first one to be judged says what is expected, as far as nobody did.
func (n *Node) judge(e *endpoint, d *description) error {
	n.mu.Lock()
	x := &n.expected
	if !x.known {
		*x = expectation{known: true, chainID: d.ChainID}
	}
	if x.chainID == d.ChainID && x.genesis == (common.Hash{}) {
		x.genesis = d.genesis()
	}
	want := *x
	n.mu.Unlock()
	switch {
	case want.chainID != d.ChainID:
		err := errorf(chain.EndpointRefuses, "%s: %w: id %d, not %d", e.label, ErrAnotherChain, d.ChainID, want.chainID)
		e.refuse(err, false)
		return err
	case d.Genesis != nil && want.genesis != d.genesis():
		err := errorf(chain.EndpointRefuses, "%s: %w: genesis %s, not %s", e.label, ErrAnotherChain, d.genesis(), want.genesis)
		e.refuse(err, true)
		return err
	}
	e.admitNow(d.Client)
	return nil
}

// admission reports whether the endpoint is admitted, and else how often it has
// failed and why it failed last.
func (e *endpoint) admission() (ok bool, failures int, last error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.identified, e.failures, e.lastError
}

// admitNow lets an endpoint be used that says that it is a client; empty: it did
// not say this time.
func (e *endpoint) admitNow(client string) {
	e.mu.Lock()
	e.identified, e.foreign = true, false
	if client != "" {
		e.devnet = IsDevnet(client)
	}
	e.mu.Unlock()
	e.answered()
}

// refuse keeps an endpoint that is on another chain from being used. It is
// looked at again after a while.
func (e *endpoint) refuse(err error, genesis bool) {
	const again, againOnLoopback = time.Minute, 5 * time.Second
	e.failed(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.foreign, e.otherGenesis = true, genesis
	e.retryAt = time.Now().Add(again)
	if e.loopback {
		e.retryAt = time.Now().Add(againOnLoopback)
	}
}

// isForeign reports whether the endpoint was on another chain not long ago.
func (e *endpoint) isForeign() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.foreign && time.Now().Before(e.retryAt)
}

// isReset reports whether the endpoint is refused for its genesis alone.
func (e *endpoint) isReset() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.foreign && e.otherGenesis
}

// doubt has the identity asked for before the next use. What was learnt of the
// blocks of another chain is forgotten.
func (e *endpoint) doubt(another bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.identified = false
	if another {
		e.state.Head, e.state.Lowest, e.given, e.prunedOne = 0, 0, math.MaxUint64, nil
		e.headAt, e.heads, e.behind = time.Time{}, [2]uint64{}, false
	}
	if e.foreign {
		e.foreign, e.retryAt = false, time.Time{}
	}
}

// parseQuantity reads a quantity; some nodes give a number.
func parseQuantity(raw json.RawMessage) (uint64, error) {
	return strconv.ParseUint(strings.Trim(string(raw), `"`), 0, 64)
}

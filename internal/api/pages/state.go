package pages

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"
)

// A Node tells of the chain's state, which is not in the file. It is asked only
// what reads. Of an error that has a code it is known that the node answered.
type Node interface {
	Call(ctx context.Context, method string, params []json.RawMessage) (json.RawMessage, error)
}

// Limits of what a node is asked for pages, whose viewers wait for it.
const (
	patience    = 450 * time.Millisecond // for each of the two times that a page may ask
	respite     = 10 * time.Second       // for a node that did not answer in time
	callsAtOnce = 16                     // of all pages together
	namesAsked  = 20                     // on one page; the rest are for when it is drawn again
	callGas     = "0xf4240"              // bounds what a contract can make the node do and answer

	namesKept    = 2048
	namesStand   = time.Minute // a development chain may be begun anew
	accountsKept = 256
	accountStand = 2 * time.Second
)

// A state is what a node has told of accounts and tokens. Its methods may be
// called concurrently; those of nil know nothing.
type state struct {
	node     Node
	calls    chan struct{} // one for each call under way
	names    *lru.Cache[common.Address, *tokenName]
	accounts *lru.Cache[accountAt, *account]

	mu      sync.Mutex // guards resting
	resting time.Time  // the node is not asked before
}

// A tokenName is what a token says of itself. All of it is foreign, the texts
// are plain.
type tokenName struct {
	Name, Symbol string
	Decimals     *int // nil if it does not tell
	at           time.Time
}

// An account is what the node says of an address.
type account struct {
	Balance   uint256.Int // wei
	Nonce     uint64
	Code      int // bytes
	CodeStart []byte
	Delegate  *common.Address // whose code it runs instead (EIP-7702)
	at        time.Time
}

// An accountAt is an address while the file has a head.
type accountAt struct {
	address common.Address
	next    uint64
}

// newState makes the state that a node tells; nil without a node.
func newState(n Node) *state {
	if n == nil {
		return nil
	}
	return &state{
		node: n, calls: make(chan struct{}, callsAtOnce),
		names: lru.NewCache[common.Address, *tokenName](namesKept), accounts: lru.NewCache[accountAt, *account](accountsKept),
	}
}

// within bounds what a page may wait for the node.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}

// account gives what is known of an address; nil if the node does not tell it
// now. next is the number after the file's head.
func (s *state) account(ctx context.Context, a common.Address, next uint64) *account {
	if s == nil {
		return nil
	}
	key := accountAt{a, next}
	known, ok := s.accounts.Get(key)
	if ok && time.Since(known.at) < accountStand {
		return known
	}
	got := account{at: time.Now()}
	var balance, nonce, code []byte
	g, ctx := errgroup.WithContext(ctx)
	for method, into := range map[string]*[]byte{"eth_getBalance": &balance, "eth_getTransactionCount": &nonce, "eth_getCode": &code} {
		g.Go(func() (err error) {
			*into, err = s.ask(ctx, method, hexAddress(a), "latest")
			return err
		})
	}
	if g.Wait() != nil || len(balance) > 32 || len(nonce) > 8 {
		return known
	}
	got.Balance.SetBytes(balance)
	got.Nonce = new(uint256.Int).SetBytes(nonce).Uint64()
	got.Code, got.CodeStart = len(code), append([]byte{}, code[:min(len(code), dataShown)]...)
	if rest, ok := strings.CutPrefix(string(code), "\xef\x01\x00"); ok && len(rest) == common.AddressLength {
		to := common.BytesToAddress([]byte(rest))
		got.Delegate = &to
	}
	s.accounts.Add(key, &got)
	return &got
}

// code gives all of an address's code.
func (s *state) code(ctx context.Context, a common.Address) ([]byte, error) {
	return s.ask(ctx, "eth_getCode", hexAddress(a), "latest")
}

// tokenNames gives what is known of tokens, by their standard; of those that
// the node does not tell in time there is nothing.
func (s *state) tokenNames(ctx context.Context, tokens map[common.Address]int) map[common.Address]*tokenName {
	if s == nil {
		return nil
	}
	ctx, cancel := within(ctx)
	defer cancel()
	known := make(map[common.Address]*tokenName)
	var unknown []common.Address // or known for long
	for a := range tokens {
		n, ok := s.names.Get(a)
		if ok {
			known[a] = n
		}
		if (!ok || time.Since(n.at) >= namesStand) && len(unknown) < namesAsked {
			unknown = append(unknown, a)
		}
	}
	var mu sync.Mutex // guards known while it is asked for more
	var g errgroup.Group
	for _, a := range unknown {
		g.Go(func() error {
			n, err := s.askNames(ctx, a, tokens[a])
			if err != nil {
				return err
			}
			s.names.Add(a, n)
			mu.Lock()
			defer mu.Unlock()
			known[a] = n
			return nil
		})
	}
	_ = g.Wait() // what there is will do
	return known
}

// Selectors of the functions by which a token tells of itself.
const (
	nameSelector     = "0x06fdde03"
	symbolSelector   = "0x95d89b41"
	decimalsSelector = "0x313ce567"
)

func (s *state) askNames(ctx context.Context, a common.Address, standard int) (*tokenName, error) {
	n := &tokenName{at: time.Now()}
	read := func(selector string, use func(answer []byte)) error {
		call := map[string]string{"to": hexAddress(a), "data": selector, "gas": callGas}
		answer, err := s.ask(ctx, "eth_call", call, "latest")
		var answered interface{ ErrorCode() int }
		if errors.As(err, &answered) {
			return nil // it has no such function
		}
		if err == nil {
			use(answer)
		}
		return err
	}
	var g errgroup.Group
	g.Go(func() error { return read(nameSelector, func(b []byte) { n.Name = foreignText(b) }) })
	g.Go(func() error { return read(symbolSelector, func(b []byte) { n.Symbol = foreignText(b) }) })
	if standard == 20 {
		g.Go(func() error { return read(decimalsSelector, func(b []byte) { n.Decimals = foreignDecimals(b) }) })
	}
	return n, g.Wait()
}

var oneString = []parameter{{abiType: elementary("string").placed()}}

// foreignText reads the text that a function has returned: a string, or in old
// contracts 32 bytes.
func foreignText(answer []byte) string {
	if len(answer) == 32 {
		return plain(strings.TrimRight(string(answer), "\x00"))
	}
	d := decoder{data: answer, left: mostWritten}
	values, err := d.values(oneString)
	if err != nil {
		return ""
	}
	return values[0]
}

// foreignDecimals reads how many decimals a token has; nil if that makes no
// sense.
func foreignDecimals(answer []byte) *int {
	const most = 77 // digits that 256 bits have
	if len(answer) != 32 {
		return nil
	}
	n := new(uint256.Int).SetBytes32(answer)
	if !n.IsUint64() || n.Uint64() > most {
		return nil
	}
	decimals := int(n.Uint64())
	return &decimals
}

var errResting = errors.New("the node did not answer just now")

// ask makes a call whose result is bytes or a quantity. A node that does not
// answer in time is left alone for a while, so that not every page waits for it.
func (s *state) ask(ctx context.Context, method string, params ...any) ([]byte, error) {
	if s.rests() {
		return nil, errResting
	}
	select {
	case s.calls <- struct{}{}:
		defer func() { <-s.calls }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	given := make([]json.RawMessage, len(params))
	for i, p := range params {
		var err error
		if given[i], err = json.Marshal(p); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	answer, err := s.node.Call(ctx, method, given)
	if err != nil {
		s.judge(err, time.Since(began))
		return nil, err
	}
	return hexBytes(answer)
}

// judge lets a node rest that did not answer. One that answered an error did,
// and no node is to blame if the viewer has gone or the page had asked for much.
func (s *state) judge(err error, took time.Duration) {
	var answered interface{ ErrorCode() int }
	switch {
	case errors.As(err, &answered), errors.Is(err, context.Canceled):
	case errors.Is(err, context.DeadlineExceeded) && took < patience/2:
	default:
		s.leave()
	}
}

// hexBytes reads bytes or a quantity.
func hexBytes(answer json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		return nil, err
	}
	if digits, ok := strings.CutPrefix(text, "0x"); ok && len(digits)%2 == 1 {
		text = "0x0" + digits
	}
	return hexutil.Decode(text)
}

func (s *state) rests() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.resting)
}

func (s *state) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = time.Now().Add(respite)
}

package pages

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"
)

// A stateNode answers by method, or for calls by selector.
type stateNode struct {
	takes time.Duration
	fails error
	gives map[string]string

	mu    sync.Mutex
	asked int
}

// refusal is an answer that is an error.
type refusal struct{}

func (refusal) Error() string  { return "execution reverted" }
func (refusal) ErrorCode() int { return 3 }

func (n *stateNode) Call(ctx context.Context, method string, params []json.RawMessage) (json.RawMessage, error) {
	n.mu.Lock()
	n.asked++
	n.mu.Unlock()
	select {
	case <-time.After(n.takes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if n.fails != nil {
		return nil, n.fails
	}
	if method == "eth_call" {
		var call struct{ Data string }
		if err := json.Unmarshal(params[0], &call); err != nil {
			return nil, err
		}
		method = call.Data
	}
	answer, ok := n.gives[method]
	if !ok {
		return nil, refusal{}
	}
	return json.RawMessage(`"` + answer + `"`), nil
}

// aString is a text as a function returns it.
func aString(text string) string {
	padded := append([]byte(text), make([]byte, (32-len(text)%32)%32)...)
	return hexutil.Encode(append(append(word(32), word(uint64(len(text)))...), padded...))
}

var tokenAt = common.Address{0x70}

// What a token says of itself is foreign, and may be anything.
func TestTokenNames(t *testing.T) {
	six := 6
	for _, tt := range []struct {
		name                 string
		says, symbol, digits string
		want                 tokenName
	}{
		{"plain", aString("USD Coin"), aString("USDC"), hexutil.Encode(word(6)), tokenName{"USD Coin", "USDC", &six, time.Time{}}},
		{"bytes32", hexutil.Encode(append([]byte("Maker"), make([]byte, 27)...)), aString(""), hexutil.Encode(word(78)), tokenName{Name: "Maker"}},
		{"hostile", aString("<script>\u202e\x00\xff"), aString(strings.Repeat("x", 600)), "0x",
			tokenName{Name: `<script>\u{202e}\u{0}\xff`, Symbol: strings.Repeat("x", 500) + "…"}},
		{"nothing", "0x", "0x12", "", tokenName{}},
	} {
		n := &stateNode{gives: map[string]string{nameSelector: tt.says, symbolSelector: tt.symbol}}
		if tt.digits != "" {
			n.gives[decimalsSelector] = tt.digits
		}
		got := newState(n).tokenNames(t.Context(), map[common.Address]int{tokenAt: 20})[tokenAt]
		if got == nil {
			t.Errorf("%s: nothing is known", tt.name)
			continue
		}
		got.at = time.Time{}
		if diff := cmp.Diff(tt.want, *got, cmp.AllowUnexported(tokenName{})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// A page waits for a slow node only so long, and the next pages not at all.
func TestSlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &stateNode{takes: time.Hour}
		s := newState(n)
		tokens := map[common.Address]int{}
		for i := range byte(100) {
			tokens[common.Address{i}] = 20
		}
		for i, want := range []time.Duration{patience, 0, 0} {
			began := time.Now()
			ctx, cancel := within(t.Context())
			if s.account(ctx, tokenAt, 7) != nil || len(s.tokenNames(ctx, tokens)) > 0 {
				t.Error("something is known")
			}
			cancel()
			if took := time.Since(began); took != want {
				t.Errorf("page %d waits %s, want %s", i, took, want)
			}
		}
		time.Sleep(respite)
		n.takes, n.gives = 0, map[string]string{"eth_getBalance": "0x7", "eth_getTransactionCount": "0x0", "eth_getCode": "0x"}
		if got := s.account(t.Context(), tokenAt, 7); got == nil || got.Balance.Uint64() != 7 {
			t.Errorf("%+v", got)
		}
	})
}

// What is known is asked again when it may be another, and not before. Who goes
// away does no harm to others.
func TestStateCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code := "0xef0100" + strings.Repeat("ab", 20)
		n := &stateNode{gives: map[string]string{
			"eth_getBalance": "0x1", "eth_getTransactionCount": "0x12", "eth_getCode": code, nameSelector: aString("A"), symbolSelector: aString("B"),
		}}
		s := newState(n)
		gone, leave := context.WithCancel(t.Context())
		leave()
		n.takes = time.Millisecond
		if s.account(gone, tokenAt, 7) != nil {
			t.Error("one who has gone is told")
		}
		n.asked = 0
		for _, step := range []struct {
			wait  time.Duration
			next  uint64
			asked int
		}{{0, 7, 3}, {time.Second, 7, 3}, {0, 8, 6}, {3 * time.Second, 8, 9}} {
			time.Sleep(step.wait)
			got := s.account(t.Context(), tokenAt, step.next)
			if got == nil || got.Nonce != 0x12 || got.Code != 23 || got.Delegate == nil || n.asked != step.asked {
				t.Errorf("%+v: %+v, asked %d times", step, got, n.asked)
			}
		}
		n.asked = 0
		tokens := map[common.Address]int{tokenAt: 721}
		for _, step := range []struct {
			wait  time.Duration
			asked int
		}{{0, 2}, {time.Second, 2}, {namesStand, 4}} {
			time.Sleep(step.wait)
			if got := s.tokenNames(t.Context(), tokens)[tokenAt]; got == nil || got.Name != "A" || n.asked != step.asked {
				t.Errorf("%+v: %+v, asked %d times", step, got, n.asked)
			}
		}
		n.fails = errors.New("connection refused")
		time.Sleep(namesStand)
		if got := s.tokenNames(t.Context(), tokens)[tokenAt]; got == nil || got.Name != "A" {
			t.Errorf("what was known is %+v", got)
		}
	})
}

// Of more tokens than are asked for at once some have no name yet.
func TestManyTokens(t *testing.T) {
	n := &stateNode{gives: map[string]string{nameSelector: aString("A")}}
	s, tokens := newState(n), map[common.Address]int{}
	for i := range byte(2*namesAsked + 1) {
		tokens[common.Address{i}] = 20
	}
	for _, want := range []int{namesAsked, 2 * namesAsked, len(tokens)} {
		if got := len(s.tokenNames(t.Context(), tokens)); got != want {
			t.Errorf("%d are named, want %d", got, want)
		}
	}
}

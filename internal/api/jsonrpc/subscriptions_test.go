package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// await gives what a subscription tells next.
func await(t *testing.T, from <-chan json.RawMessage) json.RawMessage {
	t.Helper()
	select {
	case raw := <-from:
		return raw
	case <-time.After(time.Minute):
		t.Fatal("nothing comes")
		return nil
	}
}

// subscribe gives what comes of a subscription.
func subscribe(t *testing.T, c *rpc.Client, params ...any) <-chan json.RawMessage {
	t.Helper()
	told := make(chan json.RawMessage, 100)
	if _, err := c.EthSubscribe(t.Context(), told, params...); err != nil {
		t.Fatal(params, err)
	}
	return told
}

// Receipts come with their block, also when it fills a gap; of a block without
// such as are wanted nothing comes.
func TestTransactionReceipts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	f.commit(1101)
	with := f.withTransactions(3) // the second of them is missing until the end
	_, hashes := hashesOf(t, f.chain.Block(with[0]).Block)
	c := f.dial()
	all := subscribe(t, c, "transactionReceipts")
	null := subscribe(t, c, "transactionReceipts", nil)
	one := subscribe(t, c, "transactionReceipts", map[string]any{"transactionHashes": hashes[:1]})
	f.commit(with[2], with[1])
	for _, number := range []uint64{with[0], with[2], with[1]} {
		if number == with[1] {
			f.fill(number)
		}
		want := f.chain.Block(number).Receipts
		sameJSON(t, fmt.Sprint("all of block ", number), want, await(t, all))
		sameJSON(t, fmt.Sprint("all of block ", number), want, await(t, null))
	}
	var receipts []json.RawMessage
	if err := json.Unmarshal(f.chain.Block(with[0]).Receipts, &receipts); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "one", marshal(t, receipts[:1]), await(t, one))
	if len(one) > 0 {
		t.Errorf("more came: %s", <-one)
	}
	if _, err := c.EthSubscribe(t.Context(), make(chan any), "transactionReceipts", map[string]any{"transactionHashes": make([]common.Hash, 201)}); err == nil {
		t.Error("a subscription to 201 transactions")
	}
}

// withTransactions are the next blocks that have transactions.
func (f *fixture) withTransactions(count int) (numbers []uint64) {
	f.t.Helper()
	next, err := f.store.Next(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for number := next; len(numbers) < count; number++ {
		if _, hashes := hashesOf(f.t, f.chain.Block(number).Block); len(hashes) > 0 {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// Subscriptions to what an index has none of are taken, and stay silent.
func TestSilentSubscriptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	f.commit(1101)
	c := f.dial()
	var silent []<-chan json.RawMessage
	for _, params := range [][]any{{"newPendingTransactions"}, {"newPendingTransactions", true}, {"syncing"}} {
		silent = append(silent, subscribe(t, c, params...))
	}
	heads := subscribe(t, c, "newHeads")
	f.commit(1105)
	for range 4 {
		await(t, heads)
	}
	for i, told := range silent {
		if len(told) > 0 {
			t.Errorf("subscription %d: %s", i, <-told)
		}
	}
	var id rpc.ID
	if err := c.CallContext(t.Context(), &id, "eth_newPendingTransactionFilter", true); err != nil {
		t.Fatal(err)
	}
	f.wants(json.RawMessage(`[]`), "eth_getFilterChanges", `["%s"]`, id)
	f.wants(json.RawMessage(`true`), "eth_uninstallFilter", `["%s"]`, id)
}

// What can be asked about is said as geth says it; state never is.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	f.commit(1105)
	f.wants(json.RawMessage(fmt.Sprintf(`{"head":{"number":"0x451","hash":"%s"},"state":{"disabled":true},"tx":{"disabled":false,"oldestBlock":"0x44c"},
		"logs":{"disabled":false,"oldestBlock":"0x44c"},"receipts":{"disabled":false,"oldestBlock":"0x44c"},"blocks":{"disabled":false,"oldestBlock":"0x44c"},
		"stateproofs":{"disabled":true}}`, f.chain.Block(1105).Hash)), "eth_capabilities", `[]`)
}

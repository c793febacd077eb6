//go:build e2e && unix

package e2e

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/e2e/nodes"
)

// tokenCode is a contract that says of itself what a token does, and logs a
// transfer of an amount from one account to another when it is called without
// input.
func tokenCode(name, symbol string, decimals byte, amount uint64) string {
	answers := []struct {
		selector string
		answer   []byte
	}{
		{"06fdde03", abiString(name)},
		{"95d89b41", abiString(symbol)},
		{"313ce567", append(make([]byte, 31), decimals)},
	}
	const test, refusal, give = 11, 3, 14 // bytes of code: for each selector, for others, for each answer
	account := func(last byte) []byte { return append(make([]byte, 31), last) }
	topic := common.FromHex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
	word := abiNumber(amount)
	// CALLDATASIZE PUSH2 dispatch JUMPI
	code := []byte{0x36, 0x61, 0, 0, 0x57}
	code = append(append(code, 0x7f), word...)          // PUSH32
	code = append(code, 0x5f, 0x52)                     // PUSH0 MSTORE
	code = append(append(code, 0x7f), account(0xbb)...) // to
	code = append(append(code, 0x7f), account(0xaa)...) // from
	code = append(append(code, 0x7f), topic...)         //
	code = append(code, 0x60, 0x20, 0x5f, 0xa3, 0x00)   // PUSH1 32 PUSH0 LOG3 STOP
	code[2], code[3] = byte(len(code)>>8), byte(len(code))
	code = append(code, 0x5b, 0x5f, 0x35, 0x60, 0xe0, 0x1c) // JUMPDEST PUSH0 CALLDATALOAD PUSH1 224 SHR
	first := len(code) + len(answers)*test + refusal        // where the answers are given
	data := first + len(answers)*give                       // where they are
	for i, a := range answers {
		selector := common.FromHex(a.selector)
		code = append(append(code, 0x80, 0x63), selector...) // DUP1 PUSH4
		at := first + i*give
		code = append(code, 0x14, 0x61, byte(at>>8), byte(at), 0x57) // EQ PUSH2 JUMPI
	}
	code = append(code, 0x5f, 0x5f, 0xfd) // PUSH0 PUSH0 REVERT
	for _, a := range answers {
		size := len(a.answer)
		code = append(code, 0x5b, 0x61, byte(size>>8), byte(size), 0x61, byte(data>>8), byte(data), 0x5f, 0x39) // JUMPDEST … CODECOPY
		code = append(code, 0x61, byte(size>>8), byte(size), 0x5f, 0xf3)                                        // RETURN
		data += size
	}
	for _, a := range answers {
		code = append(code, a.answer...)
	}
	return hexutil.Encode(code)
}

// abiString is a text as a function returns it.
func abiString(text string) []byte {
	return append(append(abiNumber(32), abiNumber(uint64(len(text)))...), append([]byte(text), make([]byte, (32-len(text)%32)%32)...)...)
}

func abiNumber(n uint64) []byte { return common.BigToHash(new(big.Int).SetUint64(n)).Bytes() }

const tokenAddress = "0x7000000000000000000000000000000000000001"

// With --proxy pages tell what a real node says of accounts and tokens, as text
// and nothing else. They do not wait for a node that hangs.
func TestPageAsksNode(t *testing.T) {
	n := nodes.StartAnvil(t)
	b := startBrowser(t)
	must(t, n, "anvil_setCode", tokenAddress, tokenCode("<script>alert(1)</script> \u202e\x00coin", "<b>COIN</b>", 6, 1_500_000))
	g := run(t, n.HTTP, "--listen", anyPort, "--proxy")
	base, _ := g.loginPage()
	call := func() {
		must(t, n, "eth_sendTransaction", map[string]string{"from": firstAccount(t, n), "to": tokenAddress})
	}
	call()
	g.follows(n)

	b.open(base, "desktop", false)
	b.visit("/token/" + tokenAddress)
	b.shows(`<script>alert(1)</script> \u{202e}\u{0}coin`)
	b.shows("<b>COIN</b>")
	b.wait(`document.querySelector("tbody td.n").textContent === "1.5"`)
	b.accessible("a named token")
	b.shot("token")
	b.visit("/tokens")
	b.shows("<b>COIN</b>")
	b.visit("/address/" + tokenAddress)
	b.shows("Contract")
	b.wait(`[...document.querySelectorAll(".facts dt")].some(e => e.textContent === "Code")`)
	b.accessible("a contract")
	b.shot("contract")
	account := firstAccount(t, n)
	b.visit("/address/" + account)
	b.shows("ether as the node tells")
	before := b.text(`document.querySelector("#facts").innerText`)
	call()
	b.wait(`document.querySelector("#facts").innerText !== %q`, before) // it pays for gas
	b.shot("account")

	n.Suspend()
	b.visit("/address/0x00000000000000000000000000000000000000aa?show=transfers")
	b.shows("the node did not answer in time")
	b.shows("<b>COIN</b>") // which is known from before
	b.shot("silent")
	n.Resume()
	b.wait(`document.querySelector("#facts").innerText.includes("0 ether")`)
	b.sound()
}

func firstAccount(t *testing.T, n *nodes.Node) (account string) {
	t.Helper()
	if _, err := fmt.Sscanf(must(t, n, "eth_accounts"), `["%42s`, &account); err != nil {
		t.Fatal(err)
	}
	return account
}

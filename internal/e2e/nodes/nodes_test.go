//go:build e2e && unix

package nodes

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client string // how web3_clientVersion begins
		start  func(t *testing.T) *Node
		mine   string // the method that makes a block, if it has one
		keeps  bool   // its chain over a restart
	}{
		{"geth dev", "Geth/", func(t *testing.T) *Node { return StartGethDev(t, 0) }, "", true},
		{"geth", "Geth/", startGeth, "", true},
		{"anvil", "anvil/", func(t *testing.T) *Node { return StartAnvil(t) }, "evm_mine", false},
		{"anvil state", "anvil/", func(t *testing.T) *Node {
			return StartAnvil(t, "--state", filepath.Join(t.TempDir(), "state"))
		}, "evm_mine", true},
		{"hardhat", "HardhatNetwork/", func(t *testing.T) *Node {
			return StartHardhat(t, "{ chainId: 4242 }")
		}, "evm_mine", false},
		{"hardhat 3", "HardhatNetwork/3.", func(t *testing.T) *Node { return StartHardhat3(t) }, "evm_mine", false},
		{"ganache", "Ganache/", func(t *testing.T) *Node { return StartGanache(t) }, "evm_mine", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := tt.start(t)
			client := call(t, n, "web3_clientVersion")
			if !strings.HasPrefix(client, `"`+tt.client) {
				t.Errorf("client %s, want %s", client, tt.client)
			}
			dialWebSocket(t, n.WS)

			if tt.mine != "" {
				call(t, n, tt.mine)
			}
			before := call(t, n, "eth_getBlockByNumber", "latest", false)
			n.Restart()
			if kept := before == call(t, n, "eth_getBlockByNumber", "latest", false); kept != tt.keeps {
				t.Errorf("same head after a restart: %v, want %v", kept, tt.keeps)
			}
			n.Kill()
			if _, err := Call(t.Context(), n.HTTP, "eth_chainId"); err == nil {
				t.Error("answers after Kill")
			}
			n.Restart()
			dialWebSocket(t, n.WS)

			_, err := Call(t.Context(), n.HTTP, "gapless_unknown")
			if e, ok := errors.AsType[*Error](err); !ok || e.Code == 0 {
				t.Errorf("unknown method: %v, want an *Error with a code", err)
			}
			n.Stop()
		})
	}
}

func startGeth(t *testing.T) *Node {
	dir := t.TempDir()
	genesis, blocks := filepath.Join(dir, "genesis.json"), filepath.Join(dir, "chain.rlp")
	const text = `{"config": {"chainId": 7, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
		"byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "terminalTotalDifficulty": 0},
		"difficulty": "0x0", "gasLimit": "0x1c9c380", "alloc": {}}`
	if err := errors.Join(os.WriteFile(genesis, []byte(text), 0o644), os.WriteFile(blocks, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return StartGeth(t, genesis, blocks)
}

func call(t *testing.T, n *Node, method string, params ...any) string {
	t.Helper()
	result, err := Call(t.Context(), n.HTTP, method, params...)
	if err != nil {
		t.Fatal(err)
	}
	return string(result)
}

// dialWebSocket tests that the URL answers a WebSocket handshake.
func dialWebSocket(t *testing.T, url string) {
	t.Helper()
	host := strings.TrimPrefix(url, "ws://")
	c, err := net.DialTimeout("tcp", host, time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("handshake with %s: %v %v", url, resp, err)
	}
}

func TestInstall(t *testing.T) {
	t.Setenv("GAPLESS_E2E_CACHE", filepath.Join(t.TempDir(), "cache"))
	var built atomic.Int32
	failing := errors.New("no network")
	build := func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o644); err != nil {
			return err
		}
		if built.Add(1) == 1 {
			return failing // after it has left something
		}
		return os.WriteFile(filepath.Join(dir, "b"), nil, 0o644)
	}
	if dir, err := install("x", build); !errors.Is(err, failing) || dir != "" {
		t.Errorf("first: %q, %v", dir, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			dir, err := install("x", build)
			if err != nil || !exists(filepath.Join(dir, "b")) {
				t.Errorf("%q, %v", dir, err)
			}
		})
	}
	wg.Wait()
	if built.Load() != 2 {
		t.Errorf("built %d times, want 2", built.Load())
	}
}

//go:build e2e && unix

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/e2e/nodes"
)

// A thousand clients over HTTP and a thousand subscriptions at once are all
// served, with bounded memory.
func TestThousandClients(t *testing.T) {
	const clients, each, heads = 1000, 20, 40
	n := nodes.StartAnvil(t)
	for i := range 10 {
		transfer(t, n, i+1)
		emit(t, n)
	}
	must(t, n, "anvil_mine", fmt.Sprintf("%#x", heads))
	db := index(t, n)
	n.Stop()
	cmd, url := startReplay(t, db, "--pace", "manual", "--start", "20")

	told, err := subscribeAll(t.Context(), "ws"+strings.TrimPrefix(url, "http"), clients, heads)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	failures := make(chan error, clients)
	for i := range clients {
		group.Go(func() {
			if err := callOften(url, i, each); err != nil {
				failures <- err
			}
		})
	}
	for range heads {
		post(t, url, `{"jsonrpc":"2.0","id":1,"method":"evm_mine"}`)
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if err := told(); err != nil {
		t.Error(err)
	}
	const most = 1 << 30
	rss, err := peakMemory(cmd.Process.Pid)
	if err != nil || rss > most {
		t.Errorf("%d bytes resident, %v", rss, err)
	}
	t.Logf("%d answers, %d notifications, %d MB resident at most", clients*each, clients*heads, rss>>20)
}

// startReplay is replay for those who need the process.
func startReplay(t *testing.T, db string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"replay", db, "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("replay: %v", err)
		}
	})
	line := make([]byte, 200)
	read, err := out.Read(line)
	if err != nil {
		t.Fatalf("replay says nothing: %v", err)
	}
	url, _, _ := strings.Cut(string(line[:read]), "\n")
	return cmd, url
}

// subscribeAll opens WebSockets that listen for new heads. told waits until each
// has heard of so many, in order.
func subscribeAll(ctx context.Context, url string, clients, heads int) (told func() error, err error) {
	var group sync.WaitGroup
	failures := make(chan error, clients)
	for range clients {
		client, err := rpc.DialContext(ctx, url)
		if err != nil {
			return nil, err
		}
		into := make(chan struct{ Number hexutil.Uint64 }, heads)
		s, err := client.EthSubscribe(ctx, into, "newHeads")
		if err != nil {
			return nil, err
		}
		group.Go(func() {
			defer client.Close()
			last := uint64(0)
			for range heads {
				select {
				case head := <-into:
					if last > 0 && uint64(head.Number) != last+1 {
						failures <- fmt.Errorf("head %d after %d", head.Number, last)
						return
					}
					last = uint64(head.Number)
				case err := <-s.Err():
					failures <- fmt.Errorf("subscription: %w", err)
					return
				case <-time.After(time.Minute):
					failures <- fmt.Errorf("no head after %d", last)
					return
				}
			}
		})
	}
	return func() error {
		group.Wait()
		select {
		case err := <-failures:
			return err
		default:
			return nil
		}
	}, nil
}

// callOften makes calls of several kinds on a connection of its own.
func callOften(url string, seed, calls int) error {
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for i := range calls {
		number := (seed + i) % 20
		body := []string{
			fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["%#x",true]}`, number),
			fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockReceipts","params":["%#x"]}`, number),
			`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x0","toBlock":"latest"}]}`,
			`[{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice"},{"jsonrpc":"2.0","id":2,"method":"eth_feeHistory","params":["0x5","latest",[50]]}]`,
		}[i%4]
		answer, err := client.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"error"`)) {
			return fmt.Errorf("%s: HTTP %d, %v: %.300s", body, answer.StatusCode, err, text)
		}
	}
	return nil
}

// peakMemory is the most that a process has had resident, in bytes.
func peakMemory(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, nil // not on this system
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("no VmHWM in the status of process %d", pid)
}

//go:build unix

package process_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gapless/internal/node/nodetest"
)

// The program outlives whoever reads its log.
func TestLogReaderGoes(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 20)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	db := newDB(t)
	p := serves(t, gapless(in, nil, "run", "--db", db, "--rpc", url, "--listen", "127.0.0.1:0", "--log-level", "debug"), db, &output{})
	in.Close()
	p.reaches(21)
	out.Close() // nobody reads any more
	fail(n, 30)
	n.Do(func(n *nodetest.Node) { n.Head = 60 })
	p.eventually("it goes on, and has much to say", func() bool { st := p.status(); return st.Next == 61 && st.Missing.Count == 1 })
	fail(n)
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, p.cmd.ProcessState)
	}
	isWholeBut(t, p.db, 61, 1)
}

// fail has a node answer with errors for some blocks, and no others.
func fail(n *nodetest.Node, numbers ...uint64) {
	faults := make(map[uint64]*nodetest.Fault)
	for _, number := range numbers {
		faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
	}
	n.Do(func(n *nodetest.Node) { n.Faults = faults })
}

// With SIGHUP the nodes, labels and ABIs are read again, and nothing else
// happens. What can't be read leaves all as it was.
func TestHangup(t *testing.T) {
	t.Parallel()
	first, firstURL := serve(t, 20)
	second, secondURL := serve(t, 20)
	dir := t.TempDir()
	nodes, labels, abis := filepath.Join(dir, "nodes"), filepath.Join(dir, "labels"), filepath.Join(dir, "abi")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := "0x7000000000000000000000000000000000000001"
	write(nodes, firstURL+"/SECRETONE\n")
	write(labels, address+" before\n")
	if err := os.Mkdir(abis, 0o700); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(abis, "vault.json"), `{"contractName":"V","abi":[{"type":"function","name":"open","inputs":[]}]}`)
	db, out := newDB(t), &output{}
	p := serves(t, gapless(out, nil, "run", "--db", db, "--rpc-file", nodes, "--labels", labels, "--abi", abis, "--listen", "127.0.0.1:0"), db, out)
	p.reaches(21)

	write(nodes, "  # moved\n"+secondURL+"/SECRETTWO\n")
	write(labels, address+" after\n")
	write(filepath.Join(abis, "token.json"), `{"contractName":"T","abi":[{"type":"event","name":"Transfer","inputs":[
		{"name":"sender","type":"address","indexed":true},{"name":"recipient","type":"address","indexed":true},{"name":"much","type":"uint256"}]}]}`)
	p.signal(syscall.SIGHUP)
	p.says("read again")
	p.eventually("the label is the new one", func() bool { return strings.Contains(p.get("/address/"+address), "after") })
	first.Do(func(n *nodetest.Node) { n.Down = true })
	second.Do(func(n *nodetest.Node) { n.Head = 60 })
	p.reaches(61)
	if e := p.status().Endpoints; len(e) != 1 || !e[0].Up {
		t.Errorf("endpoints: %+v", e)
	}
	if metrics := p.get("/metrics"); strings.Count(metrics, "gapless_endpoint_up{") != 1 {
		t.Error("the metrics have other endpoints than the one that is asked")
	}

	for _, bad := range []string{"", "http://[::1/SECRETTHREE\n"} {
		write(nodes, bad)
		n := strings.Count(p.out.String(), "could not be read again")
		p.signal(syscall.SIGHUP)
		p.eventually("it says what is wrong", func() bool { return strings.Count(p.out.String(), "could not be read again") > n })
	}
	write(nodes, firstURL+"\n"+secondURL+"/SECRETTWO\n")
	write(labels, "nothing of an address\n")
	p.signal(syscall.SIGHUP)
	p.says("every line is an address and its name")
	second.Do(func(n *nodetest.Node) { n.Head = 80 })
	p.reaches(81)
	if !strings.Contains(p.get("/address/"+address), "after") {
		t.Error("the labels that could be read are gone")
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit %d:\n%s", code, p.out)
	}
	if strings.Contains(p.out.String(), "SECRET") {
		t.Errorf("the log has a key:\n%s", p.out)
	}
	isWhole(t, p.db, 81)
}

// get gives the body of a page.
func (p *program) get(path string) string {
	p.t.Helper()
	answer, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

//go:build e2e && unix

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/e2e/nodes"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

var update = flag.Bool("update", false, "make the pictures in testdata/pages and the tables in testdata/manners anew")

// loginPage gives where the program serves its pages, and the path that logs in.
func (g *gapless) loginPage() (base, login string) {
	g.t.Helper()
	g.eventually(func() error {
		out, err := exec.CommandContext(g.ctx, binary, "status", "--db", g.db, "--login").Output()
		if err != nil {
			return err
		}
		at, err := url.Parse(strings.TrimSpace(string(out)))
		if err != nil {
			return err
		}
		base, login = "http://"+at.Host, at.RequestURI()
		return nil
	})
	return base, login
}

const anyPort = "127.0.0.1:0"

// A page shows, without being loaded again, what happens on a real node: blocks
// that arrive, a reorg, and a new chain.
func TestPageFollowsNode(t *testing.T) {
	n := nodes.StartAnvil(t)
	b := startBrowser(t)
	g := run(t, n.HTTP, "--listen", anyPort)
	base, _ := g.loginPage()
	b.open(base, "desktop", false)
	b.visit("/")
	b.wait(`document.getElementById("live").textContent === "live"`)
	for i := range 4 {
		transfer(t, n, i+1)
	}
	b.wait(`document.querySelector("#figures dd a")?.textContent === "4"`)
	b.wait(`document.querySelectorAll("#blocks tbody tr").length === 5`)
	b.shot("live")

	g.follows(n)
	hash := must(t, n, "eth_getBlockByNumber", "0x4", false)
	b.visit("/block/4")
	b.wait(`document.querySelector("#main").innerText.includes("Block 4")`)
	before := b.text(`document.querySelector("[data-copy]").dataset.copy`)
	if !strings.Contains(hash, before) {
		t.Errorf("block 4 is shown with hash %s", before)
	}
	must(t, n, "anvil_reorg", 3, []any{})
	b.wait(`document.querySelector("[data-copy]").dataset.copy !== %q`, before)
	g.follows(n)
	b.visit("/journal?show=reorg")
	b.shows("3 blocks left behind")
	b.click("summary")
	b.shows(before)
	b.shot("reorg")

	b.visit("/")
	n.Restart()
	transfer(t, n, 9)
	b.wait(`document.querySelector("#figures dd a")?.textContent === "1"`)
	b.visit("/journal?show=reset")
	b.shows("the chain before is in")
	b.sound()
}

// A serving is a run of the program on the recorded chain, up to a head that
// grows.
type serving struct {
	*gapless
	node  *nodetest.Node
	chain *recorded.Chain
}

func serve(t *testing.T, head uint64, faults map[uint64]*nodetest.Fault, args ...string) *serving {
	t.Helper()
	c := testdata.Recording()
	n := nodetest.New(c)
	n.Head, n.Faults = head, faults
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return &serving{runFor(t, 2*testLimit, server.URL, append([]string{"--listen", anyPort}, args...)...), n, c}
}

// has waits until everything up to a head is stored or missing.
func (s *serving) has(head uint64) {
	s.t.Helper()
	s.eventually(func() error {
		return s.read(func(r *store.Reader) error {
			if next, err := r.Next(s.ctx); err != nil || next <= head {
				return fmt.Errorf("at %d: %v", next, err)
			}
			return nil
		})
	})
}

func lost(numbers ...uint64) map[uint64]*nodetest.Fault {
	faults := map[uint64]*nodetest.Fault{}
	for _, n := range numbers {
		faults[n] = &nodetest.Fault{Kind: nodetest.RPCError, Code: -32000, Message: "missing trie node <b>" + fmt.Sprint(n) + "</b>"}
	}
	return faults
}

// A gap heals before the eyes of who looks at it, by itself and by the button.
func TestPageShowsGapsHeal(t *testing.T) {
	b := startBrowser(t)
	s := serve(t, 300, lost(100, 200, 201), "--retry-base", "1h")
	base, login := s.loginPage()
	s.has(300)
	b.open(base, "desktop", false)
	b.visit("/block/100")
	b.shows("Block 100 is missing")
	b.shows("missing trie node <b>100</b>")
	if buttons := b.text(`String(document.querySelectorAll("main button:not([data-copy])").length)`); buttons != "0" {
		t.Error("a stranger is shown buttons")
	}
	s.node.Do(func(n *nodetest.Node) { n.Faults = nil })
	retry := must3(nodes.Post(t.Context(), base+"/api/v1/retry", nil))
	if !strings.Contains(retry, "token") {
		t.Errorf("retry without a token: %s", retry)
	}

	b.visit(login)
	b.at("/")
	b.shows("3 missing")
	b.visit("/missing")
	b.click(`form[action="missing/retry"]:has(input[value="200"]) button`)
	b.wait(`!document.querySelector('tr[data-key="200"]') && document.querySelector('tr[data-key="201"]')`)
	b.visit("/block/100")
	b.click("main form button") // retry now
	b.at("/missing")
	b.wait(`!document.querySelector('tr[data-key="100"]')`)
	b.visit("/block/201")
	b.do("eval", settings{"script": `fetch("/missing/retry", { method: "POST", body: new URLSearchParams("block=201") }).then(() => "")`}, nil)
	b.wait(`document.querySelector("h1").textContent === "Block 201"`)
	b.wait(`document.title === "Block 201 · gapless"`)
	b.wait(`document.getElementById("state").innerText.includes("nothing missing")`)
	b.visit("/journal?show=filled")
	b.shows("filled")
	b.sound()
}

func must3(b []byte, err error) string { return fmt.Sprint(string(b), err) }

// Search, paging and the copy buttons.
func TestPageWays(t *testing.T) {
	b := startBrowser(t)
	s := serve(t, 300, nil)
	base, _ := s.loginPage()
	s.has(300)
	b.open(base, "desktop", false)
	tx := transactions(t, s.chain, 300)[0]
	b.visit("/")
	b.search("#1,23")
	b.at("/block/123")
	b.search(s.chain.Block(77).Hash.Hex())
	b.at("/block/77")
	b.search(strings.ToUpper(tx.Hash.Hex()[2:]))
	b.at("/tx/" + tx.Hash.Hex())
	b.search(tx.From.Hex())
	b.at("/address/" + strings.ToLower(tx.From.Hex()))

	b.visit("/blocks")
	first := b.text(`document.querySelector("tbody a").textContent`)
	var seen []string
	for range 3 {
		seen = append(seen, b.text(`document.querySelector("tbody a").textContent`))
		b.click(`a[rel=next]`)
		b.wait(`document.querySelector("tbody a").textContent !== %q`, seen[len(seen)-1])
	}
	b.click(`.pager a`)
	b.wait(`document.querySelector("tbody a").textContent === %q`, first)
	if got := fmt.Sprint(seen); got != "[300 250 200]" {
		t.Errorf("pages begin with %s", got)
	}

	b.visit("/block/77")
	b.click("button[data-copy]")
	b.wait(`document.querySelector("button[data-copy]").textContent === "copied"`)
	if copied := b.text(`navigator.clipboard.readText()`); copied != s.chain.Block(77).Hash.Hex() {
		t.Errorf("copied %q", copied)
	}
	b.sound()

	var status int // what is not found logs an error in the console
	if b.do("visit", settings{"path": "/search?q=nonsense"}, &status); status != 404 {
		t.Errorf("status %d", status)
	}
	b.shows("neither a block number nor a hash nor an address")
	b.accessible("nothing found")
}

// transactions are those of the recorded chain, the most telling and newest first.
func transactions(t *testing.T, c *recorded.Chain, last uint64) (found []chain.Transaction) {
	t.Helper()
	most := -1
	for number := range last + 1 {
		raw := c.Block(number)
		block, err := chain.DecodeBlock(raw.Block)
		if err == nil {
			err = block.DecodeReceipts(raw.Receipts)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range block.Transactions {
			transfers := 0
			for i := range tx.Receipt.Logs {
				transfers += len(tx.Receipt.Logs[i].Transfers())
			}
			if tx.To != nil && transfers >= most {
				most, found = transfers, append([]chain.Transaction{tx}, found...)
			}
		}
	}
	return found
}

// Every kind of page is fit for a screen and a phone, for light and dark, for
// those who see it and those who hear it.
func TestPageLooks(t *testing.T) {
	const head = 1500
	b := startBrowser(t)
	s := serve(t, head, lost(412, 413, 414, 950, 1210))
	base, login := s.loginPage()
	s.has(head)
	tx := transactions(t, s.chain, head)[0]
	moved := tx.Receipt.Logs[0].Transfers()[0]
	token := moved.Token.Hex()
	pages := map[string]string{
		"home": "/", "map": "/?from=400&to=430", "blocks": "/blocks", "block": fmt.Sprintf("/block/%d", head-1), "missing-block": "/block/413",
		"transactions": "/transactions", "transaction": "/tx/" + tx.Hash.Hex(), "address": "/address/" + tx.From.Hex(),
		"address-logs": "/address/" + token + "?show=logs", "address-transfers": "/address/" + moved.To.Hex() + "?show=transfers",
		"tokens": "/tokens", "token": "/token/" + token, "missing": "/missing", "journal": "/journal",
	}
	for _, size := range []string{"desktop", "phone"} {
		for _, dark := range []bool{false, true} {
			b.open(base, size, dark)
			b.visit(login)
			for name, path := range pages {
				b.visit(path)
				b.accessible(fmt.Sprintf("%s, %s, dark %t", path, size, dark))
				b.shot(fmt.Sprintf("%s-%s-%t", name, size, dark))
			}
			b.sound()
		}
	}
	b.open(base, "desktop", false)
	b.visit("/")
	var weight struct {
		Bytes int
		Drawn float64
	}
	b.do("weight", nil, &weight)
	t.Logf("the first page: %d bytes in all, drawn after %.0f ms", weight.Bytes, weight.Drawn)
	if weight.Bytes > 100_000 {
		t.Errorf("the first page has %d bytes", weight.Bytes)
	}
	if *update {
		pictures(b, tx.Hash.Hex())
	}
}

// A new block is soon on the page: how soon is told, not judged.
func TestPageIsSoonNew(t *testing.T) {
	const first, blocks = 300, 40
	b := startBrowser(t)
	s := serve(t, first, nil)
	base, _ := s.loginPage()
	s.has(first)
	b.open(base, "desktop", false)
	b.visit("/")
	b.wait(`document.getElementById("live").textContent === "live"`)
	b.do("eval", settings{"script": `window.seen = {};
		new MutationObserver(() => { const n = document.querySelector("#figures dd a").textContent; seen[n] ||= Date.now(); })
			.observe(document.body, { subtree: true, childList: true, characterData: true }); ""`}, nil)
	for i := range uint64(blocks) {
		s.node.Do(func(n *nodetest.Node) { n.Head = first + 1 + i })
		b.wait(`document.querySelector("#figures dd a").textContent === "%d"`, first+1+i)
	}
	var seen map[string]int64
	if err := json.Unmarshal([]byte(b.text(`JSON.stringify(seen)`)), &seen); err != nil {
		t.Fatal(err)
	}
	var took []int64
	for _, number := range s.indexedAt(first + 1) {
		took = append(took, seen[fmt.Sprint(number.Number)]-number.IndexedAt.UnixMilli())
	}
	slices.Sort(took)
	if len(took) != blocks {
		t.Fatalf("%d blocks came", len(took))
	}
	t.Logf("a new block is seen after its commit was begun: median %d ms, of a hundred the 95th %d ms, the slowest %d ms",
		took[blocks/2], took[blocks*95/100], took[blocks-1])
	b.sound()
}

// indexedAt gives the blocks from a number on.
func (s *serving) indexedAt(from uint64) (found []store.Summary) {
	s.t.Helper()
	s.eventually(func() error {
		return s.read(func(r *store.Reader) (err error) {
			which := store.Everything(1000)
			which.From = from
			found, err = r.Summaries(s.ctx, which)
			return err
		})
	})
	return found
}

// pictures makes those of the README.
func pictures(b *browser, tx string) {
	for name, path := range map[string]string{"home": "/", "transaction": "/tx/" + tx} {
		b.visit(path)
		b.wait(`document.getElementById("live").textContent === "live"`)
		b.do("shot", settings{"file": filepath.Join("../../testdata/pages", name+".png")}, nil)
	}
}

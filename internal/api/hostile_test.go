package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/api/pages"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// hostile is text of every kind that could do harm on a page.
const hostile = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>\u202egnp\u2066\x00\x1b[2J\xff\xfe&amp;{{.}}"

// harmless reports what of hostile text a page has let through.
func harmless(page string) error {
	for _, bad := range []string{"<script>", "<img", "\u202e", "\u2066", "\x00", "\x1b", "\xff", "\xfe", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			return fmt.Errorf("it has %q", bad)
		}
	}
	return nil
}

// aString is a text as the ABI has it.
func aString(text string) []byte {
	number := func(n int) []byte { return big.NewInt(int64(n)).FillBytes(make([]byte, 32)) }
	padded := append([]byte(text), make([]byte, (32-len(text)%32)%32)...)
	return append(append(number(32), number(len(text))...), padded...)
}

// A hostileNode answers hostile text to everything.
type hostileNode struct{}

func (hostileNode) Call(_ context.Context, method string, _ []json.RawMessage) (json.RawMessage, error) {
	if method == "eth_call" {
		return json.Marshal(hexutil.Encode(aString(hostile)))
	}
	return json.Marshal("0x1234")
}

// hostileBlock follows a block, with a transaction that has 4 MB of input, and
// logs of tokens and texts.
func hostileBlock(parent *chain.Block) *chain.Block {
	b := &chain.Block{}
	b.Number, b.ParentHash, b.Hash = parent.Number+1, parent.Hash, common.Hash{0xbb}
	b.Timestamp, b.ExtraData = 1<<62, []byte(hostile)
	token, account := common.Address{0x70}, common.BytesToHash([]byte{0xaa})
	tx := chain.Transaction{Hash: common.Hash{0xcc}, To: &token, Input: append(common.FromHex("0x02fe5305"), aString(strings.Repeat(hostile, 4<<20/len(hostile)))...)}
	logged := func(event string, data []byte, topics ...common.Hash) {
		topics = append([]common.Hash{crypto.Keccak256Hash([]byte(event))}, topics...)
		tx.Receipt.Logs = append(tx.Receipt.Logs, chain.Log{Address: token, Topics: topics, Data: data})
	}
	logged("Transfer(address,address,uint256)", account[:], account, account)
	logged("URI(string,uint256)", aString(hostile), account)
	logged("URI(string,uint256)", aString(strings.Repeat(hostile, 1000)), account)
	for range 200 {
		logged("Unknown()", []byte(strings.Repeat(hostile, 10)))
	}
	b.Transactions = []chain.Transaction{tx}
	return b
}

// Whatever the chain, the node, a file of labels or a viewer says is text, and
// not more of it than a page can take.
func TestHostileText(t *testing.T) {
	f := newFixture(t)
	f.commit(300, 10)
	last, err := f.chain.Blocks[300].Decode()
	if err != nil {
		t.Fatal(err)
	}
	block := hostileBlock(last)
	failure := chain.Failed(302, errors.New(hostile), 3, time.Unix(1e9, 0))
	if err := f.store.Commit(t.Context(), []store.Entry{{Block: block}, {Failure: failure}}); err != nil {
		t.Fatal(err)
	}
	labels := pages.Labels{{0x70}: hostile + strings.Repeat("long", 1000), last.Miner: hostile}
	known := pages.NewSignatures()
	f.serve(pages.New(f.rest, labels, known, hostileNode{}))
	tx, token := "/tx/"+block.Transactions[0].Hash.Hex(), common.Address{0x70}.Hex()
	query, path := url.QueryEscape(hostile), url.PathEscape(hostile)
	for _, at := range []string{
		"/", "/blocks", "/transactions", "/tokens", "/missing", "/journal", "/block/301", "/block/302", "/block/300",
		tx, tx + "?logs=50", tx + "?logs=" + query, "/token/" + token, "/address/" + token, "/address/" + token + "?show=logs",
		"/address/0x00000000000000000000000000000000000000aa?show=transfers",
		"/search?q=" + query, "/search?q=alert", "/?from=" + query, "/blocks?after=" + query, "/missing?after=" + query,
		"/journal?after=" + query, "/tokens?after=" + query, "/journal?show=" + query,
		"/block/" + path, "/tx/" + path, "/address/" + path, "/token/" + path, "/" + path, "/login?token=" + query,
	} {
		answer := f.do("GET", at, "", "Accept", "text/html")
		page := f.body(answer)
		if err := harmless(page); err != nil || len(page) > 250_000 || answer.StatusCode == http.StatusInternalServerError {
			t.Errorf("%.80s: %s, %d bytes, %v", at, answer.Status, len(page), err)
		}
		if !strings.Contains(answer.Header.Get("Content-Security-Policy"), "script-src 'self';") {
			t.Errorf("%.80s has no policy", at)
		}
	}
	page := f.body(f.do("GET", tx, ""))
	for _, way := range []string{tx + "/input", tx + "/input?as=text", tx + "/log/2", tx + "?logs=50"} {
		if !strings.Contains(page, `"`+way[1:]) {
			t.Errorf("there is no way to %s", way)
		}
	}
	if all := f.body(f.do("GET", tx+"/input", "")); all != hexutil.Encode(block.Transactions[0].Input) {
		t.Errorf("the input is %d bytes long", len(all))
	}
	answer := f.do("GET", tx+"/input?as=text", "")
	if all := f.body(answer); !utf8.ValidString(all) || len(all) < 4<<20 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("the input as text is %d bytes of %s", len(all), answer.Header.Get("Content-Type"))
	}
}

// A search leads to a page of ours, or says what was looked for.
func FuzzSearch(f *testing.F) {
	fixed := newFixture(f)
	fixed.commit(40, 10)
	hash := fixed.chain.Blocks[20].Hash.Hex()
	for _, seed := range []string{"7", "#1,000", "0x7", hash, hash[2:], hash[:42], "//evil.example", hostile, "-1", strings.Repeat("9", 300), "0x" + strings.Repeat("f", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8600/search?q="+url.QueryEscape(text), nil)
		fixed.server.Handler.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		switch {
		case w.Code == http.StatusSeeOther && (to == "./" || ours.MatchString(to)):
		case (w.Code == http.StatusOK || w.Code == http.StatusNotFound) && to == "":
			if err := harmless(w.Body.String()); err != nil || w.Body.Len() > 50_000 {
				t.Errorf("%d bytes: %v", w.Body.Len(), err)
			}
		default:
			t.Errorf("%d to %q", w.Code, to)
		}
	})
}

// ours are the pages that a search leads to.
var ours = regexp.MustCompile(`^\./(block|tx|address)/(0x)?[0-9a-f]+$`)

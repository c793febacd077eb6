package api_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// body reads a page.
func (f *fixture) body(answer *http.Response) string {
	f.t.Helper()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

var (
	links = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	base  = regexp.MustCompile(`<base href="([^"]*)">`)
)

// crawl follows the links of pages from a URL on, of each kind a few, and makes
// sure that each leads somewhere below the root. It gives how many there were of
// each kind.
func (f *fixture) crawl(root string, few int, from ...string) map[string]int {
	f.t.Helper()
	kinds, seen := map[string]int{}, map[string]bool{}
	for queue := from; len(queue) > 0; queue = queue[1:] {
		answer, page := f.page(root + queue[0])
		if answer.StatusCode != http.StatusOK {
			f.t.Fatalf("%s: %s %s", queue[0], answer.Status, page)
		}
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			continue
		}
		if !strings.HasSuffix(strings.TrimSpace(page), "</html>") || strings.Contains(page, "%!") || strings.Contains(page, "ZgotmplZ") {
			f.t.Errorf("%s is not whole:\n%s", queue[0], page)
		}
		for _, link := range f.links(answer.Request.URL, page) {
			path, below := strings.CutPrefix(link, root)
			if !below {
				f.t.Errorf("%s leads to %s", queue[0], link)
				continue
			}
			kind := strings.SplitN(strings.SplitN(path, "?", 2)[0], "/", 3)[0]
			if path == "api/v1/events" || kinds[kind] >= few || seen[path] || path == "missing/retry" {
				continue
			}
			seen[path] = true
			kinds[kind]++
			queue = append(queue, path)
		}
	}
	return kinds
}

// page reads a page, and where a redirect has led.
func (f *fixture) page(url string) (*http.Response, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer, f.body(answer)
}

// links are those of a page, as a browser follows them.
func (f *fixture) links(at *url.URL, page string) (found []string) {
	f.t.Helper()
	match := base.FindStringSubmatch(page)
	if match == nil {
		f.t.Fatalf("%s has no base", at)
	}
	root, err := at.Parse(match[1])
	if err != nil {
		f.t.Fatal(err)
	}
	for _, match := range links.FindAllStringSubmatch(page, -1)[1:] { // the first is the base
		link, err := root.Parse(html.UnescapeString(match[1]))
		if err != nil {
			f.t.Fatal(err)
		}
		if link.Fragment == "main" && link.RequestURI() != at.RequestURI() {
			f.t.Errorf("%s skips to %s", at, link)
		}
		link.Fragment = ""
		found = append(found, link.String())
	}
	return found
}

// Every link of every page leads somewhere, on this server.
func TestPageLinks(t *testing.T) {
	f := newFixture(t)
	f.commit(300, 10, 20, 30, 31, 32)
	kinds := f.crawl(f.url+"/", 40, "", "?from=5&to=30", "search?q=10", "address/0x00000000000000000000000000000000000000fe")
	for _, kind := range []string{"block", "tx", "address", "token", "journal", "missing", "static"} {
		if kinds[kind] == 0 {
			t.Errorf("no page leads to /%s: %v", kind, kinds)
		}
	}
}

// Search engines are to stay away.
func TestRobots(t *testing.T) {
	f := newFixture(t)
	answer := f.do("GET", "/robots.txt", "")
	if got := f.body(answer); got != "User-agent: *\nDisallow: /\n" || answer.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %q", answer.Status, got)
	}
}

// What can't be shown says why, with a status that fits.
func TestPageNotices(t *testing.T) {
	f := newFixture(t)
	f.commit(40, 10)
	for _, tt := range []struct {
		path   string
		status int
		text   string
	}{
		{"/nowhere", 404, "There is no such page"},
		{"/block/10", 200, "Block 10 is missing"},
		{"/block/41", 404, "the file has blocks 0 to 40"},
		{"/block/x", 400, "neither a block number nor a hash"},
		{"/block/0x" + strings.Repeat("12", 32), 404, "No stored block has the hash"},
		{"/tx/0x12", 400, "is not a hash"},
		{"/tx/0x" + strings.Repeat("12", 32), 404, "1 block is missing, and it may be in one of them"},
		{"/address/0x12", 400, "is not an address"},
		{"/token/0x" + strings.Repeat("12", 20), 404, "No transfer of a token"},
		{"/?from=x", 400, "from must be a block number"},
		{"/?from=30&to=20", 400, "no blocks from 30 to 20"},
		{"/blocks?after=x", 400, "not a place in a list"},
		{"/search?q=zzz", 404, "neither a block number nor a hash nor an address"},
		{"/search?q=0x" + strings.Repeat("1", 63), 404, "63 hex digits: a hash has 64, an address 40"},
		{"/search?q=%3Cscript%3Ealert(1)%3C/script%3E", 404, "&lt;script&gt;"},
		{"/login?token=no", 403, "Wrong token"},
	} {
		answer := f.do("GET", tt.path, "", "Accept", "text/html")
		page := f.body(answer)
		if answer.StatusCode != tt.status || !strings.Contains(page, tt.text) || strings.Contains(page, "<script>") {
			t.Errorf("%s: %s, without %q\n%s", tt.path, answer.Status, tt.text, page)
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has policy %q", tt.path, policy)
		}
	}
}

// During a long first sync there are no lists by address and token yet.
func TestPageUnindexed(t *testing.T) {
	f := newFixture(t)
	if err := f.store.PostponeIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.commit(40)
	address := "0x" + strings.Repeat("12", 20)
	for _, path := range []string{"/tokens", "/token/" + address, "/address/" + address, "/address/" + address + "?show=logs"} {
		answer := f.do("GET", path, "", "Accept", "text/html")
		if page := f.body(answer); answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "once its first sync is done") {
			t.Errorf("%s: %s\n%s", path, answer.Status, page)
		}
	}
	for _, path := range []string{"/", "/blocks", "/block/40", "/transactions", "/tx/" + f.transaction(40).Hex()} {
		if answer := f.do("GET", path, ""); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

// transaction gives the first one of the blocks up to a number.
func (f *fixture) transaction(last uint64) common.Hash {
	f.t.Helper()
	for number := range last + 1 {
		b, err := f.chain.Blocks[number].Decode()
		if err != nil {
			f.t.Fatal(err)
		}
		if len(b.Transactions) > 0 {
			return b.Transactions[0].Hash
		}
	}
	f.t.Fatal("there is none")
	return common.Hash{}
}

// Who has the token may retry and skip from a page; nobody else, and no other
// site in their name.
func TestPageChanges(t *testing.T) {
	f := newFixture(t)
	f.commit(40, 10, 20)
	send := func(method, path string, form url.Values, headers ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := noFollow.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	login := send("GET", "/login?token="+url.QueryEscape(token), nil)
	if len(login.Cookies()) != 1 || login.StatusCode != http.StatusSeeOther || login.Header.Get("Location") != "./" {
		t.Fatalf("%s %v", login.Status, login.Header)
	}
	cookie := login.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("%+v", cookie)
	}
	mine := []string{"Cookie", cookie.Name + "=" + cookie.Value}
	skip := url.Values{"block": {"20"}, "reason": {"lost <for> ever"}}
	for _, tt := range []struct {
		name    string
		path    string
		form    url.Values
		headers []string
		status  int
	}{
		{"no cookie", "/missing/retry", nil, nil, 403},
		{"wrong cookie", "/missing/skip", skip, []string{"Cookie", cookie.Name + "=x"}, 403},
		{"from another site", "/missing/skip", skip, append([]string{"Sec-Fetch-Site", "cross-site"}, mine...), 403},
		{"of another origin", "/missing/skip", skip, append([]string{"Origin", "http://evil.example"}, mine...), 403},
		{"no reason", "/missing/skip", url.Values{"block": {"20"}}, mine, 400},
		{"no number", "/missing/retry", url.Values{"block": {"x"}}, mine, 400},
		{"not missing", "/missing/skip", url.Values{"block": {"21"}, "reason": {"x"}}, mine, 404},
		{"skip", "/missing/skip", skip, append([]string{"Sec-Fetch-Site", "same-origin"}, mine...), 303},
	} {
		if answer := send("POST", tt.path, tt.form, tt.headers...); answer.StatusCode != tt.status {
			t.Errorf("%s: %s\n%s", tt.name, answer.Status, f.body(answer))
		}
	}
	page := f.body(f.do("GET", "/missing", "", mine...))
	if !strings.Contains(page, "lost &lt;for&gt; ever") || !strings.Contains(page, `action="missing/retry"`) {
		t.Error(page)
	}
	if page := f.body(f.do("GET", "/missing", "")); strings.Contains(page, `method="post"`) {
		t.Error("a stranger is shown buttons")
	}
	if answer := send("POST", "/missing/retry", url.Values{"block": {"20"}}, mine...); answer.StatusCode != 303 || f.reloads != 2 {
		t.Errorf("%s, %d reloads", answer.Status, f.reloads)
	}
	if row, err := f.store.Failed(t.Context(), 20); err != nil || row.Skipped() {
		t.Errorf("%+v, %v", row, err)
	}
}

// Every page says that calls wait for those of the day, and that they are too few
// for the chain.
func TestPagesTellOfDailyCalls(t *testing.T) {
	f := newFixture(t)
	f.commit(3)
	fromFile := f.rest.Status
	for _, tt := range []struct {
		calls *rest.Calls
		wants map[string]bool
	}{
		{nil, map[string]bool{"--daily-calls": false}},
		{&rest.Calls{Limit: 5000, Left: 4321}, map[string]bool{"--daily-calls": false}},
		{&rest.Calls{Limit: 5000, Left: 4321, PacedSince: time.Now()}, map[string]bool{"paced by --daily-calls, 4,321 left until 00:00 UTC": true, "grows": false}},
		{&rest.Calls{Limit: 5000, Left: 4321, Needed: 14_900, Outgrown: true}, map[string]bool{
			"paced": false, "the chain grows faster than --daily-calls: 5,000 a day, and it takes about 14,900": true,
		}},
	} {
		f.rest.Status = func(ctx context.Context) (rest.Status, error) {
			st, err := fromFile(ctx)
			st.Calls = tt.calls
			return st, err
		}
		page := f.body(f.do("GET", "/", "", "Accept", "text/html"))
		for text, want := range tt.wants {
			if strings.Contains(page, text) != want {
				t.Errorf("%+v: %q on the page is %t:\n%s", tt.calls, text, !want, page)
			}
		}
	}
}

// The first page says what can't be computed on the chain, and what was stored
// though it is wrong.
func TestPageOfAnotherKind(t *testing.T) {
	f := newFixture(t)
	f.commit(3)
	if got := f.body(f.do("GET", "/", "", "Accept", "text/html")); strings.Contains(got, "Not proved") {
		t.Error("all is proved")
	}
	unproved, wrong := f.entry(4), f.entry(5)
	unproved.Block.Verdict = chain.Verdict{Passed: chain.QuickChecks &^ chain.HeaderHash, NotComputable: chain.HeaderHash}
	wrong.Block.Verdict = chain.Verdict{Passed: chain.QuickChecks &^ chain.Contents, Failed: chain.Contents}
	if err := f.store.Commit(t.Context(), []store.Entry{unproved, wrong}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Exempt(t.Context(), []chain.Exemption{{Check: chain.HeaderHash, About: "without <miner>", From: 4}}); err != nil {
		t.Fatal(err)
	}
	got := f.body(f.do("GET", "/", "", "Accept", "text/html"))
	for _, want := range []string{
		"header hash (<bdi>without &lt;miner&gt;</bdi>) can&#39;t be computed on this chain from block 4 on: 1 block",
		"contents failed, and the block was stored by --verify warn: 1 block",
	} {
		if !strings.Contains(strings.ReplaceAll(got, "can't", "can&#39;t"), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

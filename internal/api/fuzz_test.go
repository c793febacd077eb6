package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// Whatever is asked is answered with JSON: what was asked for, or a problem that
// is the asker's. What the next page is said to be can be asked for.
func FuzzQuestion(f *testing.F) {
	fixture := newFixture(f)
	fixture.commit(60, 10, 20, 30, 31, 32)
	_, hashes := hashesIn(f, fixture.chain.Block(5).Block)
	for _, seed := range [][2]string{
		{"blocks", "from=9&to=11&order=asc&limit=1"},
		{"blocks", "cursor=34-0-0&limit=5"},
		{"blocks", "limit=2&limit=3"},
		{"blocks/5", ""},
		{"blocks/latest", "full=1"},
		{"blocks/" + fixture.chain.Block(5).Hash.Hex(), ""},
		{"transactions", "address=0x7000000000000000000000000000000000000001&limit=1"},
		{"transactions/" + hashes[0].Hex(), ""},
		{"logs", "topic0=0x00000000000000000000000000000000000000000000000000000000000000aa&cursor=9223372036854775807-16777215"},
		{"transfers", "token=0x7000000000000000000000000000000000000001&cursor=5-3-1&order=asc"},
		{"addresses/0x7000000000000000000000000000000000000001", ""},
		{"tokens", "cursor=0x7000000000000000000000000000000000000001"},
		{"failed", "from=5&cursor=18446744073709551615"},
		{"coverage", "from=0&to=9223372036854775807&parts=1000"},
		{"journal", "kind=failed&cursor=3&limit=1"},
		{"logs", "%zz"}, {"blocks", "from=-1"}, {"blocks/%2e%2e", "a;b"}, {"tokens/0x", "%00=\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	ask := func(path, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: query}
		w := httptest.NewRecorder()
		fixture.server.Handler.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		if strings.HasPrefix(path, "events") {
			return // does not end
		}
		w := ask(path, query)
		body := w.Body.Bytes()
		switch {
		case w.Code == http.StatusOK:
			var page rest.Page[json.RawMessage]
			if !json.Valid(body) {
				t.Fatalf("not JSON: %.200q", body)
			}
			if json.Unmarshal(body, &page) == nil && page.Next != "" {
				values, _ := url.ParseQuery(query) // it was read
				values.Set("cursor", page.Next)
				if next := ask(path, values.Encode()); next.Code != http.StatusOK {
					t.Errorf("next is %q: HTTP %d %s", page.Next, next.Code, next.Body)
				}
			}
		case w.Code/100 == 3: // to the same without // or ..
		default:
			var p problem.Details
			if err := json.Unmarshal(body, &p); err != nil || p.Status != w.Code || p.Detail == "" || w.Code/100 != 4 {
				t.Errorf("HTTP %d %.200q, %v", w.Code, body, err)
			}
		}
	})
}

// A position is read as it was written.
func FuzzPosition(f *testing.F) {
	for _, seed := range []string{"1-2-3", "1-2", "1", "", "-", "1-2-3-4", "01-0", "+1", "9223372036854775808", "1-x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := store.ParsePosition(text)
		if err != nil {
			return
		}
		again, err := store.ParsePosition(p.String())
		if diff := cmp.Diff(p, again); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	})
}

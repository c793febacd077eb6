package api_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api"
	"gapless/internal/api/pages"
)

// serveUnder serves below a path, and believes proxies.
func (f *fixture) serveUnder(base string, proxies ...netip.Prefix) {
	f.serveRoutes(api.Routes{
		BasePath: base, Proxies: proxies,
		REST: f.rest, Calls: f.calls, Pages: pages.New(f.rest, nil, pages.NewSignatures(), nil), Metrics: prometheus.NewRegistry(),
	})
}

// Below the path that a proxy gives it, no page leads out of that, and every
// link leads somewhere: whether the proxy takes the path off or not, and whether
// or not anybody says what it is.
func TestPagesBelowPath(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, tt := range []struct {
		name    string
		base    string
		proxies []netip.Prefix
		rewrite func(*httputil.ProxyRequest)
	}{
		{"taken off", "", nil, takeOff},
		{"taken off, and named", "", []netip.Prefix{loopback}, func(r *httputil.ProxyRequest) {
			takeOff(r)
			r.Out.Header.Set("X-Forwarded-Prefix", "/some/where/")
		}},
		{"taken off, though known", "/some/where", nil, takeOff},
		{"left", "some/where/", nil, func(*httputil.ProxyRequest) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.commit(60, 10, 20)
			base, ok := api.ParseBasePath(tt.base)
			if !ok {
				t.Fatal(tt.base)
			}
			f.serveUnder(base, tt.proxies...)
			to, err := url.Parse(f.url)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				if !strings.HasPrefix(r.In.URL.Path, "/some/where/") {
					t.Errorf("asked for %s", r.In.URL)
				}
				tt.rewrite(r)
				r.SetURL(to)
			}})
			defer proxy.Close()
			root := proxy.URL + "/some/where/"
			kinds := f.crawl(root, 5, "", "search?q=10", "blocks//", "/missing", "address/"+strings.Repeat("0", 40))
			for _, kind := range []string{"block", "blocks", "tx", "address", "journal", "static", "metrics", "api"} {
				if kinds[kind] == 0 {
					t.Errorf("no page leads to %s: %v", kind, kinds)
				}
			}
			if answer, _ := f.page(root + "login?token=" + url.QueryEscape(token)); answer.Request.URL.String() != root {
				t.Errorf("a login leads to %s", answer.Request.URL)
			}
			answer, page := f.page(root + "there/is/no%2Fsuch/page")
			for _, link := range f.links(answer.Request.URL, page) {
				if answer.StatusCode != http.StatusNotFound || !strings.HasPrefix(link, root) {
					t.Errorf("%s: from a page that is not there to %s", answer.Status, link)
				}
			}
		})
	}
}

// takeOff is what a proxy does that shows a server of its own under a path.
func takeOff(r *httputil.ProxyRequest) {
	r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/some/where")
	r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.RawPath, "/some/where")
}

// A path is believed of those proxies alone that were named, and only if it is
// one.
func TestPrefixIsBelieved(t *testing.T) {
	f := newFixture(t)
	f.commit(5)
	for _, tt := range []struct {
		base, trusted, said, path string
		root                      string
	}{
		{"", "", "/x", "/", "./"},
		{"", "", "/x", "/block/5", "../"},
		{"", "10.0.0.0/8", "/x", "/block/5", "../"},
		{"", "127.0.0.1/32", "/x", "/block/5", "/x/"},
		{"", "127.0.0.1/32", "/x/y/", "/", "/x/y/"},
		{"", "127.0.0.1/32", "//evil.example", "/", "./"},
		{"", "127.0.0.1/32", "https://evil.example", "/", "./"},
		{"", "127.0.0.1/32", "/../x", "/", "./"},
		{"", "127.0.0.1/32", `/x"><script>`, "/", "./"},
		{"", "127.0.0.1/32", "/a, /b", "/", "./"},
		{"/base", "", "/x", "/", "/base/"},
		{"/base", "", "/x", "/base", "/base/"},
		{"/base", "", "", "/base/block/5", "/base/"},
		{"/base", "127.0.0.1/32", "/x", "/block/5", "/base/"},
	} {
		var proxies []netip.Prefix
		if tt.trusted != "" {
			proxies = append(proxies, netip.MustParsePrefix(tt.trusted))
		}
		f.serveUnder(tt.base, proxies...)
		answer := f.do("GET", tt.path, "", "X-Forwarded-Prefix", tt.said)
		page := f.body(answer)
		if match := base.FindStringSubmatch(page); answer.StatusCode != 200 || match == nil || match[1] != tt.root {
			t.Errorf("%+v: %s, root is %q", tt, answer.Status, match)
		}
	}
	f.serveUnder("/base")
	if answer := f.do("POST", "/base", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`, "Content-Type", "application/json"); answer.StatusCode != 200 {
		t.Errorf("a call below the path: %s", answer.Status)
	}
	if answer := f.do("GET", "/basement", ""); answer.StatusCode != 404 {
		t.Errorf("another path: %s", answer.Status)
	}
}

// Whatever path is asked for, and whatever a proxy says, nothing leads to another
// host.
func FuzzPrefix(f *testing.F) {
	fixed := newFixture(f)
	fixed.commit(5)
	fixed.serveUnder("", netip.MustParsePrefix("127.0.0.1/32"))
	for _, path := range []string{"/", "//evil.example", "/block/5", "/search/", "/./..//evil.example/%2f", "/javascript:alert(1)", `/\evil.example`, "/blocks/."} {
		for _, said := range []string{"", "/x/y/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/x/../..//evil.example", "/%2f", hostile} {
			f.Add(path, said)
		}
	}
	f.Fuzz(func(t *testing.T, path, said string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8600/", nil)
		at, err := url.ParseRequestURI(path)
		if err != nil || path[0] != '/' {
			return
		}
		r.URL, r.RemoteAddr = at, "127.0.0.1:1000"
		r.Header.Set("X-Forwarded-Prefix", said)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		fixed.server.Handler.ServeHTTP(w, r)
		to := []string{w.Header().Get("Location")}
		if match := base.FindStringSubmatch(w.Body.String()); match != nil {
			to = append(to, html.UnescapeString(match[1]))
		}
		seen := &url.URL{Scheme: "http", Host: "127.0.0.1:8600", Path: at.Path, RawPath: at.RawPath}
		for _, link := range to {
			if led, err := seen.Parse(link); err != nil || led.Host != seen.Host || led.Scheme != "http" || strings.HasPrefix(link, "//") || strings.Contains(link, `\`) {
				t.Errorf("%q, named %q, leads to %q", path, said, link)
			}
		}
	})
}

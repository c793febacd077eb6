package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/api/rest"
)

// noFollow stays where a redirect is.
var noFollow = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// session logs in, and gives the cookie as a header has it.
func (f *fixture) session() string {
	f.t.Helper()
	answer, err := noFollow.Get(f.url + "/login?token=" + url.QueryEscape(token))
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	cookies := answer.Cookies()
	if len(cookies) != 1 {
		f.t.Fatalf("%s, cookies %v", answer.Status, cookies)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

// forgery is a cookie that would last longer than the session that it is made of.
func (f *fixture) forgery() string {
	f.t.Helper()
	name, value, _ := strings.Cut(f.session(), "=")
	_, signature, _ := strings.Cut(value, ".")
	return name + "=99999999999." + signature
}

// isMine reports whether a session lets somebody change something.
func (f *fixture) isMine(cookie string) bool {
	f.t.Helper()
	return strings.Contains(f.body(f.do("GET", "/missing", "", "Cookie", cookie)), `method="post"`)
}

// A session outlives the process, and its token, but is of one file alone: for
// another one on the same host, a browser keeps another cookie.
func TestSessionOutlivesRestart(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	f.commit(20, 10)
	other.commit(20, 10)
	other.rest.SessionKey = "the other key"
	mine, theirs, forged := f.session(), other.session(), f.forgery()
	both := mine + "; " + theirs
	f.rest.Token = "the token of the next process"
	if strings.Split(mine, "=")[0] == strings.Split(theirs, "=")[0] || !f.isMine(both) || !other.isMine(both) {
		t.Errorf("sessions %s and %s shut each other out", mine, theirs)
	}
	name, value, _ := strings.Cut(mine, "=")
	for _, wrong := range []string{theirs, name + "=", name + "=.", name + "=99999999999.", name + "=9" + value, forged} {
		if f.isMine(wrong) {
			t.Errorf("%s is taken for a session", wrong)
		}
	}
	f.rest.SessionKey = ""
	if f.isMine(mine) {
		t.Error("without a key there is a session")
	}
}

// A session ends by itself.
func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t, func() (s rest.Status) { return s })
		ask := func(path, cookie string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader("block=x"))
			if strings.HasPrefix(path, "/login") {
				r.Method = "GET"
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			server.Handler.ServeHTTP(w, r)
			return w
		}
		cookie, _, _ := strings.Cut(ask("/login?token="+url.QueryEscape(token), "").Header().Get("Set-Cookie"), ";")
		time.Sleep(30*24*time.Hour - time.Second)
		if w := ask("/missing/retry", cookie); w.Code != http.StatusBadRequest {
			t.Errorf("HTTP %d within its time", w.Code)
		}
		time.Sleep(time.Second)
		if w := ask("/missing/retry", cookie); w.Code != http.StatusForbidden {
			t.Errorf("HTTP %d after it", w.Code)
		}
	})
}

// Behind TLS a cookie never goes without it, and it goes no further than the path
// that the browser sees.
func TestSessionCookie(t *testing.T) {
	f := newFixture(t)
	for said, secure := range map[string]bool{"": false, "http": false, "https": true} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", f.url+"/login?token="+url.QueryEscape(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-Proto", said)
		answer, err := noFollow.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		c := answer.Cookies()[0]
		if c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "" || c.Domain != "" || strings.Contains(c.Value, token) {
			t.Errorf("by %q: %s", said, c)
		}
	}
}

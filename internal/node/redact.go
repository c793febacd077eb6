package node

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

// hidden stands where a secret was.
const hidden = "…"

// A redactor takes the secrets of all endpoints out of texts: what nodes,
// proxies and the network stack echo of URLs and headers.
type redactor struct {
	known   []string                      // all secrets that there ever were
	pattern atomic.Pointer[regexp.Regexp] // nil if there are none
}

func newRedactor(urls []*url.URL, header http.Header) *redactor {
	r := &redactor{}
	for _, values := range header {
		for _, v := range values {
			r.known = append(r.known, v)
			r.known = append(r.known, long(strings.Fields(v), 8)...)
		}
	}
	r.add(urls)
	return r
}

// add adds the secrets of URLs. What was one before may still come up. It is not
// to be called by two at once.
func (r *redactor) add(urls []*url.URL) {
	for _, u := range urls {
		r.known = append(r.known, urlSecrets(u)...)
	}
	slices.Sort(r.known)
	r.known = slices.Compact(r.known)
	secrets := long(r.known, 3)
	if len(secrets) == 0 {
		return
	}
	// The longest first: a part must not hide the whole's remainder.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for i, s := range secrets {
		secrets[i] = regexp.QuoteMeta(s)
	}
	r.pattern.Store(regexp.MustCompile("(?i)" + strings.Join(secrets, "|")))
}

// urlSecrets gives all parts of a URL that may be a key.
func urlSecrets(u *url.URL) []string {
	if u.Scheme == schemeIPC {
		return nil
	}
	secrets := []string{u.RawQuery, u.Fragment}
	if u.Path != "/" && len(u.Path) > 1 {
		secrets = append(secrets, u.RequestURI(), u.EscapedPath(), u.Path)
	}
	secrets = append(secrets, long(strings.Split(u.Path, "/"), 8)...)
	secrets = append(secrets, long(strings.Split(u.EscapedPath(), "/"), 8)...)
	for _, values := range u.Query() {
		for _, v := range values {
			secrets = append(secrets, v, url.QueryEscape(v))
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		pair := u.User.Username() + ":" + password
		secrets = append(secrets, u.User.Username(), password, u.User.String(), pair,
			base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	if shown := shownHost(u); shown != u.Hostname() {
		front := strings.TrimSuffix(u.Hostname(), "."+shown)
		secrets = append(secrets, front+"."+shown)
		secrets = append(secrets, long(strings.Split(front, "."), 8)...)
	}
	return secrets
}

// long gives the texts of at least so many bytes.
func long(texts []string, least int) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return len(s) < least })
}

// text gives s without secrets, and short enough for a log line.
func (r *redactor) text(s string) string {
	const most = 400
	s = r.whole(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + hidden
	}
	return s
}

// whole gives all of s without secrets.
func (r *redactor) whole(s string) string {
	pattern := r.pattern.Load()
	if pattern == nil {
		return s
	}
	return pattern.ReplaceAllString(s, hidden)
}

// json gives JSON without secrets, nil if it is none without.
func (r *redactor) json(raw json.RawMessage) json.RawMessage {
	shown := json.RawMessage(r.whole(string(raw)))
	if !json.Valid(shown) {
		return nil
	}
	return shown
}

// error gives an error with the same text but for the secrets, which wraps
// nothing: what it was made of may hold them.
func (r *redactor) error(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return errors.New(r.text(err.Error()))
}

// escapePassword escapes a password that was written into a URL as it is, which ends
// at the last @.
func escapePassword(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	at := strings.LastIndex(rest, "@")
	if !ok || at < 0 {
		return s
	}
	name, password, ok := strings.Cut(rest[:at], ":")
	if !ok {
		return s
	}
	return scheme + "://" + url.UserPassword(name, password).String() + "@" + rest[at+1:]
}

// parseURL reads an endpoint's URL. Its errors hold nothing of it but the
// scheme.
func parseURL(s string) (*url.URL, error) {
	if u, ok := ipcURL(s); ok {
		return u, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		u, err = url.Parse(escapePassword(s))
	}
	switch {
	case err != nil && !strings.Contains(s, "://"):
		return nil, errors.New("URL without http://, https://, ws://, wss:// or ipc://")
	case err != nil && strings.Contains(s, "@"):
		return nil, errors.New("not a URL: in a password write %25 for %, %20 for a space")
	case err != nil:
		return nil, errors.New("not a URL")
	}
	if u.Fragment != "" {
		return nil, errors.New("URL with a #: if that is of a password or a key, write %23")
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	case schemeIPC:
		return nil, errors.New("URL of a socket that does not begin with ipc:/// and its path")
	case "":
		return nil, errors.New("URL without http://, https://, ws://, wss:// or ipc://")
	default:
		if u.Host == "" { // host:port without a scheme looks like scheme:opaque
			return nil, errors.New("URL without http://, https://, ws://, wss:// or ipc://")
		}
		return nil, fmt.Errorf("URL of an unknown scheme %q: use http, https, ws, wss or ipc", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("URL without a host")
	}
	return u, nil
}

// shownHost is what may be shown of a URL's host. A label may be a key
// (KEY.provider.com), so of a name off loopback only the last two are shown.
func shownHost(u *url.URL) string {
	if u.Scheme == schemeIPC {
		return filepath.Base(u.Path)
	}
	host := u.Hostname()
	if isLoopback(host) || net.ParseIP(host) != nil {
		return host
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

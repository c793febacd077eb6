package api

import (
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"gapless/internal/api/pages"
)

// A front takes off the path what stands before ours, and says in
// [pages.PrefixHeader] under which path the client finds the server, if that is
// known.
type front struct {
	base    string         // as of [ParseBasePath]
	proxies []netip.Prefix // those that are believed
	next    http.Handler
}

// ServeHTTP takes a path with the base path and without it: some proxies take it
// off, and who asks on this machine has no need of it.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own, at := *r, *r.URL
	at.Path, at.RawPath = cutBase(f.base, at.Path), cutBase(f.base, at.RawPath)
	own.URL, own.Header = &at, r.Header.Clone()
	own.Header.Del(pages.PrefixHeader)
	if prefix := f.prefix(r); prefix != "" {
		own.Header.Set(pages.PrefixHeader, prefix)
	}
	if !tidy(w, &own) {
		f.next.ServeHTTP(w, &own)
	}
}

// tidy leads who reads a path as /a//b/ to /a/b, and reports whether it did:
// [http.ServeMux] would lead to a path that a proxy may not pass on.
func tidy(w http.ResponseWriter, r *http.Request) bool {
	clean := path.Clean("/" + r.URL.Path)
	if clean == r.URL.Path || !reads(r) {
		return false
	}
	to := url.URL{Path: strings.TrimPrefix(clean, "/"), RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", pages.Root(r)+to.String())
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

func cutBase(base, path string) string {
	rest, ok := strings.CutPrefix(path, base)
	switch {
	case base == "" || !ok || rest != "" && rest[0] != '/':
		return path
	case rest == "" && path != "":
		return "/"
	}
	return rest
}

func (f *front) prefix(r *http.Request) string {
	if f.base != "" {
		return f.base
	}
	if said := r.Header.Get(pages.PrefixHeader); said != "" && f.believes(r.RemoteAddr) {
		prefix, _ := ParseBasePath(said) // what is none is not believed
		return prefix
	}
	return ""
}

// believes reports whether a proxy is one of those that are believed. Who comes
// by a socket in the file system was let into its folder.
func (f *front) believes(address string) bool {
	proxy, err := netip.ParseAddrPort(address)
	return err != nil || slices.ContainsFunc(f.proxies, func(p netip.Prefix) bool { return p.Contains(proxy.Addr().Unmap().WithZone("")) })
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// ParseBasePath reads the path under which a server is found, as /explorer. It
// is empty for the root, and ok is false if it is no such path.
func ParseBasePath(text string) (base string, ok bool) {
	base = strings.TrimRight(text, "/")
	if base == "" {
		return "", true
	}
	if base[0] != '/' {
		base = "/" + base
	}
	if !basePath.MatchString(base) {
		return "", false
	}
	return base, true
}

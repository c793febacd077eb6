package pages

import (
	"net/http"
	"net/url"
	"strings"
)

// Pages lead to each other by what follows the root of this server. A reverse
// proxy may have that under a path of its own, so the root is found anew for
// each request.

// PrefixHeader says under which path the client finds the server, as /explorer.
// Whoever calls a handler makes sure that it is true, or is not there.
const PrefixHeader = "X-Forwarded-Prefix"

// Root is the URL of the first page, which ends with a slash, for the client of
// a request. As long as nobody says under which path the client finds the
// server, it is relative to what is asked for: so it is right whatever a proxy
// has taken off the front.
func Root(r *http.Request) string {
	if prefix := r.Header.Get(PrefixHeader); prefix != "" {
		return prefix + "/"
	}
	if depth := strings.Count(r.URL.EscapedPath(), "/") - 1; depth > 0 {
		return strings.Repeat("../", depth)
	}
	return "./"
}

// here is what is asked for, seen from the root, with another query.
func here(r *http.Request, query string) string {
	at := url.URL{Path: strings.TrimPrefix(r.URL.Path, "/"), RawPath: strings.TrimPrefix(r.URL.RawPath, "/"), RawQuery: query}
	return at.String()
}

// lead leads a client to another page.
func lead(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Location", Root(r)+to) // http.Redirect would make it absolute
	w.WriteHeader(http.StatusSeeOther)
}

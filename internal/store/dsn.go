package store

import (
	"net/url"
	"path/filepath"
	"strings"
)

// dsn names the file for the driver. Only in a URI does SQLite honour the mode
// (https://sqlite.org/uri.html); the path must be absolute, so that spaces, ?
// and # survive.
func dsn(path, mode string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	query := url.Values{"mode": {mode}, "_pragma": pragmas}
	if mode == "immutable" {
		query = url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": pragmas}
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

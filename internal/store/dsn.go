package store

import (
	"net/url"
	"path/filepath"
	"strings"
)

// dsn names the file for the driver. Only in a URI does SQLite honour the mode
// (https://sqlite.org/uri.html); the path must be absolute, so that spaces, ?
// and # survive.
//
// A file may be anybody's, so SQLite is to trust nothing in it
// (https://sqlite.org/security.html). Only one that this process makes, in mode
// "new", may do without a journal, which the defensive mode of SQLite excludes.
func dsn(path, mode string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	query := url.Values{"mode": {mode}, "_defensive": {"1"}, "_pragma": append([]string{"trusted_schema(0)"}, pragmas...)}
	switch mode {
	case "immutable":
		query.Set("mode", "ro")
		query.Set("immutable", "1")
	case "new":
		query.Set("mode", "rwc")
		query.Del("_defensive")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

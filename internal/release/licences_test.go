package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const isc = `Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

// A release is refused for a licence that is missing, not known, or not
// allowed; that of a folder below counts if something in it is linked.
func TestRead(t *testing.T) {
	other := strings.Replace(isc, ",\nprovided that the above copyright notice and this permission notice appear in all copies.", ".", 1) // 0BSD
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
		wrong string
	}{
		{"one", map[string]string{"LICENSE": isc, "NOTICE": "made by us"}, "ISC", ""},
		{"British", map[string]string{"LICENCE.txt": isc}, "ISC", ""},
		{"one below", map[string]string{"LICENSE": isc, "linked/COPYING": "mine, all mine"}, "", "m v1: linked/COPYING: only 0 %"},
		{"one that is not linked", map[string]string{"LICENSE": isc, "other/COPYING": "mine, all mine"}, "ISC", ""},
		{"none", map[string]string{"NOTICE": "made by us", "README": isc}, "", "there is no licence in"},
		{"a changed one", map[string]string{"LICENSE": isc + strings.Repeat("Except on Sundays. ", 40)}, "", "m v1: LICENSE: only"},
		{"one that is not allowed", map[string]string{"LICENSE": other}, "", "0BSD is not among"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Join(dir, "linked"), 0o755); err != nil {
				t.Fatal(err)
			}
			m := &module{Path: "m", Version: "v1", Dir: dir, packages: map[string]bool{dir: true, filepath.Join(dir, "linked"): true}}
			f, err := m.read()
			switch {
			case tt.wrong == "" && err != nil, tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("%v", err)
			case err == nil && strings.Join(f.names, ",") != tt.want:
				t.Errorf("found %s", f.names)
			}
			for name, text := range tt.files {
				if passed := strings.Contains(f.text, strings.TrimSpace(text)); err == nil && licenceFile.MatchString(name) && !passed {
					t.Errorf("%s is not passed on", name)
				}
			}
		})
	}
}

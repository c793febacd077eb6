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

const zlib = `This software is provided 'as-is', without any express or implied warranty. In no event will the authors be held liable
for any damages arising from the use of this software.

Permission is granted to anyone to use this software for any purpose, including commercial applications, and to alter it and
redistribute it freely, subject to the following restrictions:

1. The origin of this software must not be misrepresented; you must not claim that you wrote the original software. If you use
this software in a product, an acknowledgment in the product documentation would be appreciated but is not required.
2. Altered source versions must be plainly marked as such, and must not be misrepresented as being the original software.
3. This notice may not be removed or altered from any source distribution.
`

// A release is refused for a licence that is missing, not known, or not
// allowed; that of a folder below counts if something in it is linked.
func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
		wrong string
	}{
		{"one", map[string]string{"LICENSE": isc, "NOTICE": "made by us"}, "ISC", ""},
		{"one of code of others", map[string]string{"LICENSE": isc, "linked/LICENSE": "The following files in this directory were derived from the open-source\n" +
			"project at https://example.org. A copy of the original\nlicense is provided below.\n-----\n\n" + isc}, "ISC", ""},
		{"British", map[string]string{"LICENCE.txt": isc}, "ISC", ""},
		{"one below", map[string]string{"LICENSE": isc, "linked/COPYING": "mine, all mine"}, "", "m v1: linked/COPYING: only 0 %"},
		{"one that is not linked", map[string]string{"LICENSE": isc, "other/COPYING": "mine, all mine"}, "ISC", ""},
		{"none", map[string]string{"NOTICE": "made by us", "README": isc}, "", "there is no licence in"},
		{"a changed one", map[string]string{"LICENSE": isc + strings.Repeat("Except on Sundays. ", 40)}, "", "m v1: LICENSE: only"},
		{"one that is not allowed", map[string]string{"LICENSE": zlib}, "", "Zlib is not among"},
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

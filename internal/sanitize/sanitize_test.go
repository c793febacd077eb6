package sanitize_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/sanitize"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"plain, ä, 世界, 🙂\tand\n", "plain, ä, 世界, 🙂\tand\n"},
		{"\x1b[31mred\x1b[0m", `\u001b[31mred\u001b[0m`},
		{"over\rwritten\b\a\x00\x7f", `over\u000dwritten\u0008\u0007\u0000\u007f`},
		{"\u0085\u009b1m", `\u0085\u009b1m`},
		{"a\u202egnp.exe\u202c\u2066\u2069\u200f\u061c", `a\u202egnp.exe\u202c\u2066\u2069\u200f\u061c`},
		{"\u2028\u2029", `\u2028\u2029`},
		{"\x9b1m\xff\xe2\x80", `\x9b1m\xff\xe2\x80`},
		{"\ufffd\xff", "\ufffd" + `\xff`},
	} {
		if got := sanitize.Text(tt.text); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// Whatever the parts in which a text is written, the same comes out, but for the
// beginning of a character that has no end yet.
func TestWriter(t *testing.T) {
	const text = "a\x1b[1m ä世界🙂\u202e\u009b\x9b. end\n"
	for size := 1; size < len(text); size++ {
		var out strings.Builder
		w := &sanitize.Writer{To: &out}
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			part := rest[:min(size, len(rest))]
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if diff := cmp.Diff(sanitize.Text(text), out.String()); diff != "" {
			t.Errorf("%d bytes at once (-want +got):\n%s", size, diff)
		}
	}
}

// JSON has the same value, sanitized.
func FuzzJSON(f *testing.F) {
	f.Add("\x1b[31m\u202e\u009b\x00\x9b\"\\\u2028\n")
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		safe := sanitize.Text(string(encoded))
		if err := json.Unmarshal([]byte(safe), &got); err != nil || got != want || !utf8.ValidString(safe) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	})
}

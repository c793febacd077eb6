// Package sanitize makes text from outside harmless on its way to a terminal or a
// log: a node, a file or a client may have put characters in it that move the
// cursor, or turn the direction of what follows.
package sanitize

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Text gives a text in which control characters, but for tabs and line ends, and
// those that turn the direction of text are written as \u and four digits. In a
// JSON string that is the same value. Bytes that are no UTF-8 become \x and two
// digits; there are none in JSON.
func Text(text string) string {
	if harmless(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case isHarmful(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func harmless(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, isHarmful) < 0
}

func isHarmful(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r == '\u2028', r == '\u2029': // ends of lines
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// A Writer passes text on to another writer, sanitized. It is safe for concurrent
// use if that is.
type Writer struct {
	To io.Writer

	mu   sync.Mutex // guards what follows
	rest []byte     // the beginning of a character whose end is still to come
}

// Write writes whole characters. It counts the bytes that it was given.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	whole := len(text) - begun(text)
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(w.To, Text(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begun is how many bytes at the end may be the beginning of a character.
func begun(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// Unwrap gives the writer that is written to, for data and for other programs.
func Unwrap(w io.Writer) io.Writer {
	if s, ok := w.(*Writer); ok {
		return s.To
	}
	return w
}

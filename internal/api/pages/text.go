package pages

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
)

// functions are what templates call.
var functions = template.FuncMap{
	"hex":       func(b []byte) string { return hexutil.Encode(b) },
	"hash":      func(h common.Hash) string { return hexutil.Encode(h[:]) },
	"address":   func(a common.Address) string { return hexutil.Encode(a[:]) },
	"short":     short,
	"thousands": func(n any) string { return thousands(digits(n)) },
	"ether":     func(v any) string { return units(quantity(v), 18) },
	"gwei":      func(v any) string { return units(quantity(v), 9) },
	"percent":   percent,
	"bytes":     byteCount,
	"plain":     plain,
	"brief":     brief,
	"amount":    amount,
	"when":      when,
	"moment":    func(t time.Time) template.HTML { return when(uint64(max(t.Unix(), 0))) },
	"due":       due,
	"plural":    plural,
	"gweiEther": func(gwei uint64) string { return units(uint256.NewInt(gwei), 9) },
	"deref":     func(v *uint64) uint64 { return *v },
}

// short writes a long hex value so that it can be told from others.
func short(text string) string {
	if len(text) <= 16 {
		return text
	}
	return text[:8] + "…" + text[len(text)-6:]
}

// digits writes a number that may be behind a pointer.
func digits(n any) string {
	if p, ok := n.(*uint64); ok {
		return strconv.FormatUint(*p, 10)
	}
	return fmt.Sprint(n)
}

// thousands puts commas into a decimal number.
func thousands(digits string) string {
	whole, rest, _ := strings.Cut(digits, ".")
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 && whole[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if rest != "" {
		b.WriteString("." + rest)
	}
	return b.String()
}

// quantity takes a quantity as the structs have it.
func quantity(v any) *uint256.Int {
	switch v := v.(type) {
	case uint256.Int:
		return &v
	case *uint256.Int:
		return v
	}
	return nil
}

// units writes a quantity in units of 10^decimals, exactly.
func units(v *uint256.Int, decimals int) string {
	if v == nil {
		return ""
	}
	digits := v.Dec()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	whole, part := digits[:len(digits)-decimals], strings.TrimRight(digits[len(digits)-decimals:], "0")
	if part == "" {
		return thousands(whole)
	}
	return thousands(whole) + "." + part
}

// percent writes how much of a whole a part is.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + " %"
}

// byteCount writes a number of bytes.
func byteCount(n any) string {
	return plural(n, "byte")
}

// plural writes a number of things.
func plural(n any, thing string) string {
	switch text := digits(n); {
	case text == "1":
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		return thousands(text) + " " + thing + "es"
	default:
		return thousands(text) + " " + thing + "s"
	}
}

// lastYear is the last moment that has a date of four digits for the year.
const lastYear = 253402300799

// when writes a moment, unix seconds, for a script to say how long ago it is.
// A chain's clock may be anywhere.
func when(seconds uint64) template.HTML {
	if seconds > lastYear {
		return template.HTML(fmt.Sprintf(`<span>second %d</span>`, seconds))
	}
	t := time.Unix(int64(seconds), 0).UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-unix="%d">%s</time>`,
		t.Format(time.RFC3339), seconds, t.Format("2006-01-02 15:04:05 UTC")))
}

// due writes a moment at which something is to be done, unix seconds.
func due(t time.Time) template.HTML {
	return template.HTML(strings.Replace(string(when(uint64(max(t.Unix(), 0)))), "<time", "<time data-due", 1))
}

// mostBrief is how much foreign text is shown in a cell of a table.
const mostBrief = 32

// brief is plain text for a small place. All of it is to be had beside.
func brief(text string) string { return cut(plain(text), mostBrief) }

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

// mostText is how much foreign text is shown, in characters.
const mostText = 500

// plain makes foreign text harmless to look at: what is not to be seen, or
// turns the direction of what is around it, is written as its number, and no
// more than mostText characters are kept. The template escapes the rest.
func plain(text string) string {
	var b strings.Builder
	n := 0
	for i, r := range text {
		if n++; n > mostText {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == ' ' || (unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r)):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

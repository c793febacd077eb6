package schema

import (
	"regexp"
	"strings"
)

// token is a part of a statement: space or a comment, a string, a name in quotes,
// a word or number, or any other character.
var token = regexp.MustCompile(`(?s)\s+|--[^\n]*|/\*.*?(?:\*/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|` + "`(?:[^`]|``)*`" + `|\[[^\]]*\]|\w+|.`)

// tokens writes a statement so that two are equal if they differ in nothing but
// space, comments, the quotes of names, and case. SQLite keeps the text of a
// statement as it was, and rewrites a part of it when a table gets another name.
func tokens(sql string) string {
	var b strings.Builder
	for _, t := range token.FindAllString(sql, -1) {
		switch {
		case strings.TrimSpace(t) == "", strings.HasPrefix(t, "--"), strings.HasPrefix(t, "/*"):
			continue
		case len(t) > 1 && strings.ContainsAny(t[:1], "\"`["):
			t = t[1 : len(t)-1]
		case t[0] != '\'':
			t = strings.ToLower(t)
		}
		b.WriteString(t)
		b.WriteByte(' ')
	}
	return b.String()
}

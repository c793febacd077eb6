package command

import (
	"regexp"
	"slices"
	"strings"
)

// A usage is a usage text in its parts, for whoever shows it in another form.
type usage struct {
	synopsis []string // how the command is called, a line each
	about    []passage
	commands []item
	flags    []item // a flag has several if it takes one of several words
}

// A passage is a paragraph, or lines that stay as they are.
type passage struct {
	title string // empty, or what it is about
	fixed bool
	lines []string
}

// An item is a line of a list: what can be written, and what for.
type item struct{ tag, text string }

// name is the name of the flag that the item is of, argument what stands
// behind it.
func (i item) name() string     { return strings.TrimPrefix(strings.Fields(i.tag)[0], "--") }
func (i item) argument() string { return strings.Join(strings.Fields(i.tag)[1:], " ") }

// parseUsage takes a usage text apart. Its parts are separated by empty lines.
func parseUsage(text string) (u usage) {
	for part := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		lines := strings.Split(part, "\n")
		first, rest := lines[0], lines[1:]
		switch synopsis, ok := strings.CutPrefix(first, "usage: "); {
		case ok:
			u.synopsis = append(u.synopsis, synopsis)
			for _, line := range rest {
				u.synopsis = append(u.synopsis, strings.TrimSpace(line))
			}
		case first == "usage:":
			u.commands = append(u.commands, parseItems(rest)...)
		case strings.HasPrefix(first, "  --"):
			u.flags = append(u.flags, parseItems(lines)...)
		case strings.HasPrefix(first, "  gapless "):
			u.commands = append(u.commands, parseItems(lines)...)
		case strings.HasPrefix(first, "  "):
			u.about = append(u.about, passage{fixed: true, lines: lines})
		case strings.HasSuffix(first, ":"):
			u.about = append(u.about, passage{title: strings.TrimSuffix(first, ":"), fixed: true, lines: rest})
		default:
			u.about = append(u.about, passage{lines: lines})
		}
	}
	return u
}

// parseItems reads a list. Where the texts begin, the lines tell that a text
// goes on in; without any, there are two spaces before each.
func parseItems(lines []string) (items []item) {
	column := 0
	for _, line := range lines {
		if indent := len(line) - len(strings.TrimLeft(line, " ")); indent > 2 {
			column = indent
		}
	}
	gap := regexp.MustCompile(`\S {2,}`)
	for _, line := range lines {
		at := column
		if at == 0 || len(line) <= at {
			at = len(line)
			if g := gap.FindStringIndex(line); g != nil {
				at = g[0] + 1
			}
		}
		tag, text := strings.TrimSpace(line[:at]), strings.TrimSpace(line[at:])
		if tag == "" {
			items[len(items)-1].text += " " + text
			continue
		}
		items = append(items, item{tag, text})
	}
	return items
}

// flag gives the items of a flag.
func (u usage) flag(name string) (items []item) {
	for _, i := range u.flags {
		if i.name() == name {
			items = append(items, i)
		}
	}
	return items
}

// summary is what the list of commands says of one.
func (u usage) summary(command string) string {
	i := slices.IndexFunc(u.commands, func(i item) bool { return strings.HasPrefix(i.tag+" ", "gapless "+command+" ") })
	if i < 0 {
		return ""
	}
	return u.commands[i].text
}

// Package readme finds what README and the pages in docs show, for the tests that
// run it as it stands there.
package readme

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Block is lines that stand indented or fenced.
type Block struct {
	File     string // from the root of the repository
	Section  string // its heading
	Language string // of a fence; empty if it is indented
	Text     string
}

// Blocks gives the blocks of README.md and docs, in order. root is the folder of
// the repository.
func Blocks(root string) (all []Block, err error) {
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	for _, path := range append([]string{filepath.Join(root, "README.md")}, docs...) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		all = append(all, parse(filepath.ToSlash(file), string(text))...)
	}
	return all, nil
}

func parse(file, text string) (all []Block) {
	const indent = "    "
	section, open := "", false // open: the last block goes on
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		language, fence := strings.CutPrefix(line, "```")
		code, indented := strings.CutPrefix(line, indent)
		switch {
		case fence:
			if fenced = !fenced; fenced {
				all = append(all, Block{file, section, language, ""})
			}
			open = false
		case fenced:
			all[len(all)-1].Text += line + "\n"
		case indented:
			if !open {
				all, open = append(all, Block{file, section, "", ""}), true
			}
			all[len(all)-1].Text += code + "\n"
		case line == "" && open:
			all[len(all)-1].Text += "\n"
		default:
			open = false
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				section = heading
			}
		}
	}
	for i := range all {
		all[i].Text = strings.TrimRight(all[i].Text, "\n") + "\n"
	}
	return all
}

// Of gives the text of the only block of a language, empty if there are none or
// several.
func Of(blocks []Block, language string) string {
	of := slices.DeleteFunc(slices.Clone(blocks), func(b Block) bool { return b.Language != language })
	if len(of) != 1 {
		return ""
	}
	return of[0].Text
}

// Commands are the lines of a block that a shell is to run, without the comments
// that say what comes of them.
func (b Block) Commands() (commands []string) {
	for line := range strings.Lines(b.Text) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), "  #")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands
}

// Queries are the statements of a block that is SQL, each with the comment that
// stands before it.
func (b Block) Queries() (queries []string) {
	for part := range strings.SplitSeq(b.Text, "\n\n") {
		queries = append(queries, strings.TrimSpace(part))
	}
	return queries
}

// IsSQL reports whether the block is for SQL and not for a shell.
func (b Block) IsSQL() bool { return b.Language == "sql" || strings.HasPrefix(b.Text, "-- ") }

package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"gapless/internal/sanitize"
)

// A console is where a command tells a person what happens: on a terminal with
// a line at the end that is rewritten, elsewhere with lines only. It is safe
// for concurrent use, and sanitizes what it is given.
type console struct {
	terminal bool

	mu    sync.Mutex // guards what follows
	out   io.Writer
	line  string // the progress line now
	quiet bool   // there is no progress line any more
}

func newConsole(out io.Writer) *console {
	return &console{out: sanitize.Unwrap(out), terminal: isTerminal(out)}
}

func isTerminal(w io.Writer) bool {
	f, ok := sanitize.Unwrap(w).(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Write writes whole lines above the progress line, so that a logger can write
// to a console.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := c.line
	c.rewrite("")
	_, err := io.WriteString(c.out, sanitize.Text(string(p)))
	c.rewrite(line)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *console) printf(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// progress shows a line in the place of the one before. Where there is no
// terminal it writes a line if it is not the same.
func (c *console) progress(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := sanitize.Text(fmt.Sprintf(format, args...))
	switch {
	case c.quiet:
	case c.terminal:
		c.rewrite(line)
	case line != c.line && line != "":
		c.line = line
		fmt.Fprintln(c.out, line)
	}
}

// endProgress leaves the progress line as it is and goes on below it, without
// one.
func (c *console) endProgress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.terminal && c.line != "" {
		fmt.Fprintln(c.out)
	}
	c.line, c.quiet = "", true
}

// lineWidth is what fits on any terminal.
const lineWidth = 79

// rewrite puts a line in the place of the last; c.mu is held.
func (c *console) rewrite(line string) {
	if !c.terminal {
		return
	}
	if runes := []rune(line); len(runes) > lineWidth {
		line = string(runes[:lineWidth-1]) + "…"
	}
	rest := max(0, utf8.RuneCountInString(c.line)-utf8.RuneCountInString(line))
	if line != c.line {
		fmt.Fprintf(c.out, "\r%s%s", line, strings.Repeat(" ", rest))
		if line == "" {
			fmt.Fprint(c.out, "\r")
		}
	}
	c.line = line
}

package command

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const manUsage = `
Print the manual page of gapless or of one of its commands, for man: gapless man run | man -l -

usage: gapless man [COMMAND]
`

func (a *app) manCommand() *cobra.Command {
	c := a.command("man", manUsage, 1, nil)
	c.Args = cobra.MaximumNArgs(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		about, rest, err := c.Root().Find(args)
		if err != nil || len(rest) > 0 || about.Hidden {
			return usagef("there is no command %q\n`gapless -h` lists the commands", args[0])
		}
		printManual(a.stdout, about)
		return nil
	}
	return c
}

// printManual writes a command's usage text as a page in the language of
// man(7).
func printManual(w io.Writer, c *cobra.Command) {
	u := parseUsage(c.Long)
	name, summary := strings.ReplaceAll(c.CommandPath(), " ", "-"), c.Short
	if !c.HasParent() {
		summary = "index every block of an EVM chain into one SQLite file, without gaps"
	}
	info, _ := debug.ReadBuildInfo()
	fmt.Fprintf(w, ".TH %s 1 \"%s\" \"%s\" \"gapless\"\n", strings.ToUpper(name), committed(info), roff(versionOf(info)))
	heading(w, "NAME")
	fmt.Fprintf(w, "%s \\- %s\n", roff(name), roff(summary))
	heading(w, "SYNOPSIS")
	synopsis := u.synopsis
	if len(synopsis) == 0 {
		synopsis = []string{"gapless [COMMAND] [flags]"}
	}
	printFixed(w, synopsis)
	heading(w, "DESCRIPTION")
	printPassages(w, u.about, "")
	printItems(w, "COMMANDS", u.commands)
	printItems(w, "OPTIONS", u.flags)
	for _, p := range u.about {
		if p.title != "" {
			heading(w, strings.ToUpper(p.title))
			printFixed(w, p.lines)
		}
	}
	heading(w, "SEE ALSO")
	fmt.Fprintln(w, roff(strings.Join(others(c), ", ")))
}

// others are the pages that a page points to.
func others(c *cobra.Command) (pages []string) {
	if c.HasParent() {
		return []string{"gapless(1)"}
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			pages = append(pages, "gapless-"+sub.Name()+"(1)")
		}
	}
	slices.Sort(pages)
	return pages
}

func heading(w io.Writer, title string) { fmt.Fprintf(w, ".SH %s\n", title) }

// printPassages writes those that have no title of their own.
func printPassages(w io.Writer, passages []passage, between string) {
	for _, p := range passages {
		switch {
		case p.title != "":
			continue
		case p.fixed:
			fmt.Fprint(w, ".PP\n.RS 4\n")
			printFixed(w, p.lines)
			fmt.Fprint(w, ".RE\n")
		default:
			fmt.Fprint(w, between)
			printFilled(w, p.lines)
		}
		between = ".PP\n"
	}
}

func printItems(w io.Writer, title string, items []item) {
	if len(items) == 0 {
		return
	}
	heading(w, title)
	for _, i := range items {
		fmt.Fprintf(w, ".TP\n\\fB%s\\fR\n%s\n", roff(i.tag), roff(i.text))
	}
}

func printFixed(w io.Writer, lines []string) {
	fmt.Fprint(w, ".nf\n")
	printFilled(w, lines)
	fmt.Fprint(w, ".fi\n")
}

func printFilled(w io.Writer, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(w, roff(strings.TrimSpace(line)))
	}
}

// roff writes a text so that nothing in it is taken for a command, and every
// hyphen can be copied to a shell.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// committed is the day of the commit that the program was built from, or
// nothing.
func committed(info *debug.BuildInfo) string {
	day, _, _ := strings.Cut(setting(info, "vcs.time"), "T")
	return day
}

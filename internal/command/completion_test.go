package command

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// What a shell is told at each place of the command line.
func TestCompletion(t *testing.T) {
	var all strings.Builder
	for _, line := range []string{
		"", "re", "-", "run --", "run --db ", "run --abi ", "run --verify ", "run --on-reset ", "run --on-revert ", "run --log-level ", "run --log-format ",
		"run --listen ", "run --until ", "run --from ", "run --rpc ", "run --keep ", "import ", "import a ", "import --verify ", "import --receipts ",
		"export --format ", "export --table ", "export --out ", "export ", "retry ", "retry all ", "replay ", "replay --pace ",
		"diff a ", "backup ", "skip ", "completion ", "man ve", "version ",
	} {
		stdout := mustGapless(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		fmt.Fprintf(&all, "$ gapless %s[TAB]\n%s\n", line, stdout)
	}
	golden(t, "completion", all.String())
}

// Each shell has its script, and it asks this program.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells() {
		if script := mustGapless(t, "completion", shell); !strings.Contains(script, "__complete") || !strings.Contains(script, shell) {
			t.Errorf("%s:\n%s", shell, script)
		}
	}
}

// A usage text is taken apart without loss: every word of it is in a part, every
// flag has a text, and none has the text of another.
func TestParseUsage(t *testing.T) {
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	root, subs := commands()
	for _, c := range append(subs, root) {
		u := parseUsage(c.Long)
		whole := words(c.Long)
		for _, i := range append(u.flags, u.commands...) {
			if !strings.Contains(whole, words(i.tag+" "+i.text)) || i.text == "" {
				t.Errorf("%s: %q is of %q", c.Name(), i.text, i.tag)
			}
			whole = strings.Replace(whole, words(i.tag+" "+i.text), "", 1)
		}
		for _, p := range u.about {
			whole = strings.Replace(whole, words(strings.Join(p.lines, " ")), "", 1)
			if p.title != "" {
				whole = strings.Replace(whole, p.title+":", "", 1)
			}
		}
		for _, s := range u.synopsis {
			whole = strings.Replace(whole, words(s), "", 1)
		}
		if rest := words(strings.Replace(whole, "usage:", "", 1)); rest != "" {
			t.Errorf("%s: not in any part: %s", c.Name(), rest)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, i := range u.flag(f.Name) {
				if takes := f.Value.Type() != "bool"; !regexp.MustCompile(`^--[a-z-]+( \S+)?$`).MatchString(i.tag) || takes != (i.argument() != "") {
					t.Errorf("%s: --%s stands as %q", c.Name(), f.Name, i.tag)
				}
			}
		})
		if c != root && c.Short == "" {
			t.Errorf("gapless -h does not list %s", c.Name())
		}
	}
}

package command

import (
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gapless/indexer"
	"gapless/internal/archive"
)

const completionUsage = `
Print a script by which a shell completes commands, flags, their words and names of files.

usage: gapless completion bash|zsh|fish|powershell

  bash         source <(gapless completion bash)
  zsh          source <(gapless completion zsh), after compinit
  fish         gapless completion fish | source
  powershell   gapless completion powershell | Out-String | Invoke-Expression
`

func (a *app) completionCommand() *cobra.Command {
	c := a.command("completion", completionUsage, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		const withDescriptions = true
		switch root := c.Root(); args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.stdout, withDescriptions)
		case "zsh":
			return root.GenZshCompletion(a.stdout)
		case "fish":
			return root.GenFishCompletion(a.stdout, withDescriptions)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(a.stdout)
		}
		return usagef("there is no script for %q: use %s", args[0], strings.Join(shells(), ", "))
	}
	return c
}

func shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

// teach makes all words that can be written known to shells, with what the usage
// texts say of them.
func teach(root *cobra.Command) {
	commands := parseUsage(root.Long)
	teachOne(root, parseUsage(runUsage))
	for _, c := range root.Commands() {
		c.Short = commands.summary(c.Name())
		teachOne(c, parseUsage(c.Long))
	}
}

// teachOne makes a command's arguments and flags known.
func teachOne(c *cobra.Command, u usage) {
	words, files := arguments(c)
	c.ValidArgsFunction = completer(words, files)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		items := u.flag(f.Name)
		if len(items) == 1 {
			f.Usage = short(items[0].text, 70)
		}
		if len(items) == 0 || f.Value.Type() == "bool" {
			return
		}
		words, files := values(items)
		// It fails if the flag has one already.
		_ = c.RegisterFlagCompletionFunc(f.Name, completer(words, files))
	})
}

// files says which files may be named.
type files = cobra.ShellCompDirective

const (
	noFiles = cobra.ShellCompDirectiveNoFileComp
	all     = cobra.ShellCompDirectiveDefault
	folders = cobra.ShellCompDirectiveFilterDirs
)

func completer(words []string, f files) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && f == noFiles {
			return nil, f // only the first argument is a word
		}
		return words, f
	}
}

// arguments are the words that a command takes, or else which files.
func arguments(c *cobra.Command) ([]string, files) {
	switch c.Name() {
	case "retry":
		return []string{"all"}, noFiles
	case "completion":
		return shells(), noFiles
	case "man":
		var names []string
		for _, other := range c.Root().Commands() {
			names = append(names, other.Name())
		}
		return names, noFiles
	case "replay", "import", "diff", "backup", "restore":
		return nil, all
	}
	return nil, noFiles
}

// values are the words that a flag takes, or else which files. Words stand in
// small letters in the usage text, except where it tells of each at length.
func values(items []item) (words []string, f files) {
	if len(items) > 1 {
		for _, i := range items {
			words = append(words, cobra.CompletionWithDesc(i.argument(), short(i.text, 60)))
		}
		return words, noFiles
	}
	switch items[0].argument() {
	case "FILE":
		return nil, all
	case "DIR":
		return nil, folders
	}
	switch items[0].name() {
	case "verify":
		return []string{"auto", "strict", "warn", "off"}, noFiles
	case "on-revert":
		return []string{indexer.FollowReverts, indexer.WaitOnReverts}, noFiles
	case "on-reset":
		return []string{resetRotate, resetStop}, noFiles
	case "log-level":
		return []string{"debug", "info", "warn", "error"}, noFiles
	case "log-format":
		return []string{"text", "json"}, noFiles
	case "table":
		for _, t := range archive.Tables {
			words = append(words, t.Name)
		}
		return words, noFiles
	case "pace":
		return []string{"manual"}, noFiles
	}
	for word := range strings.SplitSeq(items[0].argument(), "|") {
		if word != "" && !strings.ContainsFunc(word, unicode.IsUpper) {
			words = append(words, word)
		}
	}
	return words, noFiles
}

package command

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environment names the variable that stands for a flag.
func environment(flag string) string {
	return settingPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

const settingPrefix = "GAPLESS_"

// fromEnvironment gives flags that are not on the command line the value of
// their variable, if that is set and not empty. which says of a flag whether it
// has one: --from means different things to run and to verify.
func fromEnvironment(flags *pflag.FlagSet, which func(flag string) bool) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(environment(f.Name))
		if f.Changed || value == "" || !which(f.Name) || err != nil {
			return
		}
		for _, v := range parts(f, value) {
			if bad := flags.Set(f.Name, unquote(v)); bad != nil {
				err = usagef("%s: %w", environment(f.Name), errors.Unwrap(bad))
			}
		}
	})
	return err
}

// isDB is the flag that all commands take from the environment, isSetting those
// that run does.
func isDB(flag string) bool      { return flag == "db" }
func isSetting(flag string) bool { return flag != "help" }

// parts splits the variable of a flag that may be repeated: headers and paths at
// line ends, other values at any space.
func parts(f *pflag.Flag, value string) []string {
	switch kind := f.Value.Type(); {
	case kind == "paths", f.Name == "rpc-header":
		return strings.Split(strings.TrimSpace(unquote(value)), "\n")
	case kind == "stringArray":
		return strings.Fields(unquote(value))
	}
	return []string{value}
}

// unquote takes away the quotes around a text, which belong to the shell; files of
// variables and of URLs may have them. Those of a list are around each.
func unquote(text string) string {
	for _, quote := range []string{`"`, `'`} {
		if len(text) >= 2 && strings.HasPrefix(text, quote) && strings.HasSuffix(text, quote) && strings.Count(text, quote) == 2 {
			return text[1 : len(text)-1]
		}
	}
	return text
}

// othersVariables are what is named as a setting is and is none: of Kubernetes for
// a service of the same name.
var othersVariables = regexp.MustCompile(`^GAPLESS_(SERVICE|PORT)(_|$)`)

// misspelt fails if a variable is named nearly as the setting of a flag.
func misspelt(flags *pflag.FlagSet) error {
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, environment(f.Name)) })
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains(known, name) || othersVariables.MatchString(name) || !strings.HasPrefix(strings.ToUpper(name), settingPrefix) {
			continue
		}
		if meant := nearest(strings.ReplaceAll(strings.ToUpper(name), "-", "_"), known); meant != "" {
			return usagef("%s is no setting: %s is one\ncorrect it, or take it out of the environment", name, meant)
		}
	}
	return nil
}

// nearest gives the name that was meant: one that differs in a letter, or in two of
// a long name, or that goes on behind it. It is empty if there is none.
func nearest(name string, known []string) (meant string) {
	closest := len(name)
	for _, k := range known {
		most := 1
		if len(k) > len(settingPrefix)+6 {
			most = 2
		}
		if d := distance(name, k); d <= most && d < closest || strings.HasPrefix(name, k+"_") && d < closest {
			meant, closest = k, d
		}
	}
	return meant
}

// distance counts how many letters are to be added, taken out, changed, or exchanged
// with their neighbour to make one text of another.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			row[j] = min(last[j]+1, row[j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}

// A boolean is the value of a flag that is yes or no, in the words that people
// have for it.
type boolean struct{ pflag.Value }

// Set takes a word. No error repeats what is long.
func (b boolean) Set(text string) error {
	switch strings.ToLower(text) {
	case "yes", "on", "y":
		text = "true"
	case "no", "off", "n":
		text = "false"
	}
	if b.Value.Set(text) != nil {
		return fmt.Errorf("%.20q is neither yes nor no", text)
	}
	return nil
}

// IsBoolFlag lets it stand without a value.
func (boolean) IsBoolFlag() bool { return true }

// speakPlainly lets all flags of a command and those below it that are yes or no be
// set in words.
func speakPlainly(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			f.Value = boolean{f.Value}
		}
	})
	for _, sub := range c.Commands() {
		speakPlainly(sub)
	}
}

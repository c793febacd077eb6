package command

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	sqlite3 "modernc.org/sqlite/lib"
)

const versionUsage = `
Print the version of this program and of the parts that decide what it writes.

usage: gapless version
`

func (a *app) versionCommand() *cobra.Command {
	return a.command("version", versionUsage, 0, func(context.Context, []string) error {
		fmt.Fprint(a.stdout, versions())
		return nil
	})
}

func versions() string {
	return fmt.Sprintf("gapless      %s\nGo           %s %s/%s\nSQLite       %s (modernc.org/sqlite %s)\ngo-ethereum  %s\n",
		version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, sqlite3.SQLITE_VERSION,
		dependency("modernc.org/sqlite"), dependency("github.com/ethereum/go-ethereum"))
}

// version is the program's own: a release, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		v += " " + revision[:min(12, len(revision))]
		if settings["vcs.modified"] == "true" {
			v += " with changes"
		}
	}
	return v
}

// dependency is the version of a module that the program was built with.
func dependency(path string) string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}

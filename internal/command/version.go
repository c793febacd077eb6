package command

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

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

// version is the program's own.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

// versionOf is a release, or else the revision that a program was built from, and
// whether there were changes to it.
func versionOf(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	revision := setting(info, "vcs.revision")
	revision = revision[:min(12, len(revision))]
	v, changed := strings.CutSuffix(info.Main.Version, "+dirty")
	changed = changed || setting(info, "vcs.modified") == "true"
	switch {
	case v == "":
		v = "(devel)"
	case revision == "" || strings.HasSuffix(v, revision): // one that Go made of the revision
		revision = ""
	}
	if revision != "" {
		v += " " + revision
	}
	if changed {
		v += " with changes"
	}
	return v
}

// setting is one of how the program was built.
func setting(info *debug.BuildInfo, key string) string {
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
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

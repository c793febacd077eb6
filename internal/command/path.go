package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// A target is what a path has to lead to.
type target struct {
	folder bool // else a file
	there  bool // it is there already
	home   bool // the folder that it is in is there already
	later  bool // what it has to be is known, and checked, later
}

var (
	aFile      = target{there: true}
	aDatabase  = target{} // who opens it says if it has to be there
	aNewFile   = target{home: true}
	aFolder    = target{folder: true, there: true}
	aNewFolder = target{folder: true, home: true}
	aDataset   = target{folder: true} // it is made with all folders above it
	checkLater = target{later: true}
)

// A pathValue is the value of a flag that names a file or folder.
type pathValue struct {
	flag string
	of   target
	at   *string
}

// pathFlag adds a flag for a path to a command.
func pathFlag(flags *pflag.FlagSet, at *string, name, usual string, of target) {
	if *at = usual; usual != "" {
		*at = followLink(usual)
	}
	flags.Var(&pathValue{name, of, at}, name, "")
	flags.Lookup(name).DefValue = usual
}

func (v *pathValue) String() string { return *v.at }
func (v *pathValue) Type() string   { return "path" }

// Set takes a path that is right.
func (v *pathValue) Set(text string) error {
	path, err := v.of.parse("--"+v.flag, text)
	if err == nil {
		*v.at = path
	}
	return err
}

// A pathsValue is the value of a flag that names a file or folder each time that
// it is given.
type pathsValue struct {
	flag string
	of   target
	at   *[]string
}

// pathsFlag adds a flag for paths to a command.
func pathsFlag(flags *pflag.FlagSet, at *[]string, name string, of target) {
	flags.Var(&pathsValue{name, of, at}, name, "")
}

func (v *pathsValue) String() string { return strings.Join(*v.at, " ") }
func (v *pathsValue) Type() string   { return "paths" }

// Set takes one more path that is right.
func (v *pathsValue) Set(text string) error {
	path, err := v.of.parse("--"+v.flag, text)
	if err == nil {
		*v.at = append(*v.at, path)
	}
	return err
}

// A pathError says what is wrong with a path as it was given.
type pathError struct{ text string }

func (e pathError) Error() string { return e.text }

var urlScheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)

// parse takes what was given for a path, by the name of its flag or argument.
// Slashes at the end say nothing. A link is followed, so that who looks beside a
// file looks beside the file itself. No error repeats a URL, which may hold a key.
func (g target) parse(name, text string) (string, error) {
	switch scheme := urlScheme.FindStringSubmatch(text); {
	case text == "":
		return "", pathError{name + " is empty: name a " + g.what()}
	case scheme != nil:
		return "", pathError{fmt.Sprintf("%s is a URL (%s://…): name a %s of this machine", name, scheme[1], g.what())}
	case text == stdout:
		return text, nil
	}
	root := len(filepath.VolumeName(text)) + 1
	for len(text) > root && os.IsPathSeparator(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	path := followLink(text)
	return path, g.check(name, path)
}

func (g target) what() string {
	if g.folder {
		return "folder"
	}
	return "file"
}

// check refuses a path that leads to something else. Rights it leaves to who opens
// what is there.
func (g target) check(name, path string) error {
	if g.later || path == stdout {
		return nil
	}
	wrong := func(format string, args ...any) error {
		return pathError{name + ": " + fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir() && !g.folder:
		return wrong("%s is a folder: name a file in it", path)
	case err == nil && !info.IsDir() && g.folder:
		return wrong("%s is a file: name a folder", path)
	case errors.Is(err, syscall.ENOTDIR):
		return wrong("there is a file, and no folder, on the way to %s: name another %s", path, g.what())
	case errors.Is(err, fs.ErrNotExist) && g.there:
		return wrong("there is no %s %s: name another", g.what(), path)
	case errors.Is(err, fs.ErrNotExist) && g.home:
		home := filepath.Dir(path)
		if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
			return wrong("there is no folder %s: make it first, or name another %s", home, g.what())
		}
	}
	return nil
}

// followLink gives the path of what a link leads to, also if nothing is there yet.
func followLink(path string) string {
	end := path
	for range 40 { // as many as Linux follows
		link, err := os.Readlink(end)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			folder, err := filepath.EvalSymlinks(filepath.Dir(end))
			if err != nil {
				return path
			}
			link = filepath.Join(folder, link)
		}
		end = link
	}
	if there, err := os.Stat(path); err == nil {
		if found, err := os.Stat(end); err != nil || !os.SameFile(there, found) {
			return path // as /dev/stdin, where a link's text is no path
		}
	}
	return end
}

// parseAll takes arguments that are paths.
func (g target) parseAll(name string, args []string) ([]string, error) {
	paths := slices.Clone(args)
	for i := range paths {
		var err error
		if paths[i], err = g.parse(name, paths[i]); err != nil {
			return nil, usagef("%w", err)
		}
	}
	return paths, nil
}

// pasted is a path as a shell takes it, for commands in messages.
func pasted(path string) string {
	if plainPath.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

var plainPath = regexp.MustCompile(`^[\pL\pN_./:\\@%+=,-]+$`)

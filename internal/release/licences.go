package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// A module is one that is linked into the program, or Go's own library.
type module struct {
	Path, Version, Dir string
	packages           map[string]bool // folders of what is linked of it
}

// licences gives the licences of all that is linked for any of the targets. It
// fails if one is missing, or not known to allow this.
func (s source) licences(ctx context.Context, targets []target) ([]byte, error) {
	modules := make(map[string]*module)
	for _, t := range targets {
		if err := s.linked(ctx, t, modules); err != nil {
			return nil, err
		}
	}
	root, err := output(ctx, s.dir, nil, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	dir, version, _ := strings.Cut(root, "\n")
	modules[""] = &module{Path: "Go's standard library", Version: version, Dir: dir, packages: map[string]bool{dir: true}}

	var list, texts strings.Builder
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		found, err := m.read()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "  %-72s %s\n", m.Path+" "+m.Version, strings.Join(found.names, ", "))
		texts.WriteString(found.text)
	}
	return fmt.Appendf(nil, preface, s.commit, list.String(), texts.String()), nil
}

const preface = `gapless is built, at the commit %s, with the modules below. Here are the licences of each.

go-ethereum is used as a library, under the GNU Lesser General Public License 3; no part of it that is under
the GNU General Public License alone is in the program, whose text is here because the other one refers to
it. Who passes the program on has to give, or offer, its source at that commit too: with go.mod and
"go mod edit -replace" whoever has it can build the program with a changed go-ethereum, which is what section
4 of that licence asks for. SQLite is in the public domain. The root certificates in the container image are
of Mozilla's list, under the Mozilla Public License 2.0 (https://wiki.mozilla.org/CA).

%s
%s`

// linked adds the modules that are linked for a target.
func (s source) linked(ctx context.Context, t target, modules map[string]*module) error {
	list, err := output(ctx, s.dir, t.environment(), "go", "list", "-deps", "-json=ImportPath,Dir,Module", ".")
	if err != nil {
		return err
	}
	for d := json.NewDecoder(strings.NewReader(list)); ; {
		var p struct {
			ImportPath, Dir string
			Module          *module
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if p.Module == nil || p.Module.Path == "gapless" {
			continue
		}
		if strings.HasPrefix(p.ImportPath, "github.com/ethereum/go-ethereum/cmd/") {
			return fmt.Errorf("%s is under the GNU General Public License, so the program would be too", p.ImportPath)
		}
		m := modules[p.Module.Path]
		if m == nil {
			m = p.Module
			m.packages = map[string]bool{m.Dir: true}
			modules[m.Path] = m
		}
		m.packages[p.Dir] = true
	}
}

// Licences that ask for no more than to be passed on, and those of which the
// preface says what they ask for.
var allowed = regexp.MustCompile(`^(Apache-2\.0|BSD-2-Clause(-Views)?|BSD-3-Clause|ISC|MIT|LGPL-3\.0|GPL-3\.0)$`)

// licenceFile is what files with licences, notices and grants are called.
var licenceFile = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|NOTICE|PATENTS)([.-].*)?$`)

// A finding is what there is to be passed on of a module.
type finding struct {
	names []string // SPDX
	text  string
}

// read reads the licence files in the folders of what is linked, and in those
// above, up to the module's own.
func (m *module) read() (f finding, err error) {
	dirs := make(map[string]bool)
	for dir := range m.packages {
		for ; len(dir) >= len(m.Dir); dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
	}
	var text strings.Builder
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		files, err := os.ReadDir(dir)
		if err != nil {
			return f, err
		}
		for _, file := range files {
			if file.IsDir() || !licenceFile.MatchString(file.Name()) {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, file.Name()))
			if err != nil {
				return f, err
			}
			name, _ := filepath.Rel(m.Dir, filepath.Join(dir, file.Name())) // it is below
			fmt.Fprintf(&text, "%s\n%s %s: %s\n\n%s\n\n", strings.Repeat("=", 80), m.Path, m.Version, filepath.ToSlash(name), bytes.TrimSpace(data))
			names, err := identify(file.Name(), data)
			if err != nil {
				return f, fmt.Errorf("%s %s: %s: %w", m.Path, m.Version, name, err)
			}
			f.names = append(f.names, names...)
		}
	}
	slices.Sort(f.names)
	f.names, f.text = slices.Compact(f.names), text.String()
	if len(f.names) == 0 {
		return f, fmt.Errorf("%s %s: there is no licence in %s", m.Path, m.Version, m.Dir)
	}
	return f, nil
}

// attached is what files that are passed on without being a licence of the
// module's code are called: notices, grants, lists of what was taken from
// elsewhere, and the licence of a logo.
var attached = regexp.MustCompile(`(?i)^(NOTICE|PATENTS)|3RD-PARTY|LOGO`)

// foreword is what stands before a licence and says only whose code it is of.
var foreword = regexp.MustCompile(`^The following files in this directory were derived from the open-source\n.*\n.*\n-+\n`)

// least is how much of a licence file must be known words, in percent.
const least = 90

// identify gives the licences that a file consists of, of those that are
// allowed.
func identify(name string, text []byte) (names []string, err error) {
	if attached.MatchString(name) {
		return nil, nil
	}
	if bytes.HasPrefix(text, []byte("SQLite Is Public Domain\n")) {
		return []string{"public domain"}, nil
	}
	found := licensecheck.Scan(foreword.ReplaceAll(text, nil))
	if found.Percent < least {
		return nil, fmt.Errorf("only %.0f %% of it are those of licences that are known", found.Percent)
	}
	for _, match := range found.Match {
		if !allowed.MatchString(match.ID) {
			return nil, fmt.Errorf("%s is not among the licences that are allowed", match.ID)
		}
		names = append(names, match.ID)
	}
	return names, nil
}

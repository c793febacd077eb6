package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A target is a system to build for, in Go's words.
type target struct{ os, arch, arm string }

func targets() []target {
	return []target{
		{os: "linux", arch: "amd64"}, {os: "linux", arch: "arm64"}, {os: "linux", arch: "arm", arm: "7"},
		{os: "darwin", arch: "amd64"}, {os: "darwin", arch: "arm64"},
		{os: "windows", arch: "amd64"}, {os: "windows", arch: "arm64"},
	}
}

// architecture is its name for people: armv7, but for that as Go has it.
func (t target) architecture() string {
	if t.arch == "arm" {
		return "armv" + t.arm
	}
	return t.arch
}

// environment is that of Go's commands: nothing of the machine's settings
// decides what a release is.
func (t target) environment() []string {
	return append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "GOARM="+t.arm, "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0",
		"GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOENV=off", "GOTOOLCHAIN=local")
}

// A source is a clone of what is committed.
type source struct {
	dir     string
	version string    // a tag, or else the day and the revision
	commit  string    // its hash
	time    time.Time // of the commit
}

// clone clones the repository at top, as it is at HEAD.
func clone(ctx context.Context, top, dir string) (s source, err error) {
	s.dir = dir
	if s.commit, err = output(ctx, top, nil, "git", "rev-parse", "HEAD"); err != nil {
		return s, err
	}
	if changes, err := output(ctx, top, nil, "git", "status", "--porcelain"); err != nil {
		return s, err
	} else if changes != "" {
		fmt.Fprintf(os.Stderr, "not in the release, because not committed:\n%s\n", changes)
	}
	if _, err := output(ctx, "", nil, "git", "clone", "--quiet", "--no-checkout", top, dir); err != nil {
		return s, err
	}
	if _, err := output(ctx, dir, nil, "git", "checkout", "--quiet", "--detach", s.commit); err != nil {
		return s, err
	}
	seconds, err := output(ctx, dir, nil, "git", "log", "-1", "--format=%cI")
	if err != nil {
		return s, err
	}
	if s.time, err = time.Parse(time.RFC3339, seconds); err != nil {
		return s, err
	}
	s.time = s.time.UTC()
	tag, err := output(ctx, dir, nil, "git", "tag", "--points-at", "HEAD", "--list", "v*", "--sort=-version:refname")
	if s.version, _, _ = strings.Cut(tag, "\n"); s.version == "" {
		s.version = s.time.Format("20060102-") + s.commit[:12]
	}
	return s, err
}

// A build is a program.
type build struct {
	target
	program []byte
}

// entry is the program's place in an archive.
func (b build) entry() entry {
	name := "gapless"
	if b.os == "windows" {
		name += ".exe"
	}
	return entry{name: name, data: b.program, program: true}
}

// build builds the program for a target, optimized by a profile of a first sync:
// internal/process/profile_test.go says how that is made.
func (s source) build(ctx context.Context, t target, work string) (build, error) {
	path := filepath.Join(work, "gapless-"+t.os+"-"+t.architecture())
	began := time.Now()
	_, err := output(ctx, s.dir, t.environment(), "go", "build", "-trimpath", "-buildvcs=true",
		"-pgo=internal/release/cpu.pgo", "-ldflags=-s -w", "-o", path, ".")
	if err != nil {
		return build{}, err
	}
	program, err := os.ReadFile(path)
	fmt.Printf("%-8s %-6s %d bytes in %.0f s\n", t.os, t.architecture(), len(program), time.Since(began).Seconds())
	return build{t, program}, err
}

// documents are what stands beside the program in an archive, all but the
// licences. A program for this machine makes some of them.
func (s source) documents(ctx context.Context, work string) (docs []entry, err error) {
	b, err := s.build(ctx, target{os: runtime.GOOS, arch: runtime.GOARCH, arm: "7"}, work)
	if err != nil {
		return nil, err
	}
	gapless := filepath.Join(work, "gapless-"+b.os+"-"+b.architecture())
	var failed error
	add := func(name string, args ...string) {
		text, err := output(ctx, s.dir, os.Environ(), gapless, args...)
		failed = errors.Join(failed, err)
		docs = append(docs, entry{name: name, data: []byte(text + "\n")})
	}
	add("man/gapless.1", "man")
	names, err := output(ctx, s.dir, os.Environ(), gapless, "__completeNoDesc", "")
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(names) {
		if name != "help" && !strings.HasPrefix(name, ":") { // :4 is for the shell
			add("man/gapless-"+name+".1", "man", name)
		}
	}
	add("completions/gapless.bash", "completion", "bash")
	add("completions/_gapless", "completion", "zsh")
	add("completions/gapless.fish", "completion", "fish")
	add("completions/gapless.ps1", "completion", "powershell")
	files := map[string]string{
		"README.md": "README.md", "systemd/gapless.service": "internal/release/systemd/gapless.service",
		"systemd/rpc.conf": "internal/release/systemd/rpc.conf",
	}
	pages, err := os.ReadDir(filepath.Join(s.dir, "docs"))
	failed = errors.Join(failed, err)
	for _, page := range pages { // README leads to them
		files["docs/"+page.Name()] = "docs/" + page.Name()
	}
	for name, from := range files {
		text, err := os.ReadFile(filepath.Join(s.dir, from))
		failed = errors.Join(failed, err)
		docs = append(docs, entry{name: name, data: text})
	}
	return docs, failed
}

// output runs a command and gives what it prints, without the line's end.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	var complaints bytes.Buffer
	c.Dir, c.Env, c.Stderr = dir, env, &complaints
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, complaints.Bytes())
	}
	return strings.TrimRight(string(out), "\n"), nil
}

//go:build unix

package nodes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	anvilVersion    = "1.7.1"
	hardhatVersion  = "2.29.1"
	hardhat3Version = "3.18.0"
	ganacheVersion  = "7.9.2"
	nodejsVersion   = "22.23.3" // for hardhat 3

	gethModule = "github.com/ethereum/go-ethereum"

	installTimeout = 15 * time.Minute // geth from nothing, on one slow core
)

// geth returns the path of a geth of the version that the module of the
// working directory requires.
func geth() (string, error) {
	version, err := run("", os.Environ(), "go", "list", "-m", "-f", "{{.Version}}", gethModule)
	if err != nil {
		return "", fmt.Errorf("go.mod does not name a version of geth: %w", err)
	}
	version = strings.TrimSpace(version)
	dir, err := install("geth-"+version, func(dir string) error {
		env := append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
		_, err := run(dir, env, "go", "install", gethModule+"/cmd/geth@"+version)
		return err
	})
	return filepath.Join(dir, "geth"), err
}

// anvil returns the path of the program itself, which is not the one that npm
// links: that is a script around it, which would be between us and its signals.
func anvil() (string, error) {
	modules, err := npm("@foundry-rs/anvil", anvilVersion)
	arch := runtime.GOARCH // npm packages name them as Go does
	return filepath.Join(modules, "@foundry-rs", "anvil-"+runtime.GOOS+"-"+arch, "bin", "anvil"), err
}

// nodejs returns the path of a Node.js that runs hardhat 3.
func nodejs() (string, error) {
	name := "node-" + runtime.GOOS + "-" + npmArch()
	modules, err := npm(name, nodejsVersion)
	return filepath.Join(modules, name, "bin", "node"), err
}

// npmArch is what npm packages call the architecture.
func npmArch() string {
	if runtime.GOARCH == "amd64" {
		return "x64"
	}
	return runtime.GOARCH
}

// npm returns the node_modules folder with exactly this version of an npm
// package in it.
func npm(pkg, version string) (string, error) { return npmFor("", pkg, version) }

// npmFor is npm for a Node.js that is not the one of this machine: npm leaves out
// what its own could not run.
func npmFor(nodejs, pkg, version string) (string, error) {
	env := os.Environ()
	if nodejs != "" {
		env = append(env, "PATH="+filepath.Dir(nodejs)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	base := pkg[strings.LastIndex(pkg, "/")+1:]
	dir, err := install("npm-"+base+"-"+version, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}\n"), 0o644); err != nil {
			return err
		}
		_, err := run(dir, env, "npm", "install", "--no-audit", "--no-fund", "--save-exact", "--ignore-scripts", pkg+"@"+version)
		return err
	})
	return filepath.Join(dir, "node_modules"), err
}

// install returns the folder name in the cache, which build fills if it is
// not there. It is there whole or not at all, whatever is killed when, and
// test binaries that run at the same time build it once.
func install(name string, build func(dir string) error) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if exists(dir) {
		return dir, nil
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}

	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil { // of one that was killed
		return "", err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", err
	}
	if err := build(tmp); err != nil {
		return "", fmt.Errorf("install %s: %w", name, errors.Join(err, os.RemoveAll(tmp)))
	}
	return dir, os.Rename(tmp, dir)
}

func cacheDir() (string, error) {
	dir := os.Getenv("GAPLESS_E2E_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder, set GAPLESS_E2E_CACHE: %w", err)
		}
		dir = filepath.Join(user, "gapless-e2e")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// lock waits until this process alone holds the file.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}

// run runs a command to its end and returns what it wrote to stdout. Its
// error holds the end of everything it wrote.
func run(dir string, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	var stdout, all strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = &stdout, &all
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, tail(stdout.String()+all.String()))
	}
	return stdout.String(), nil
}

// tail returns the end of a log.
func tail(s string) string {
	const most = 16 << 10
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}

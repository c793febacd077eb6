//go:build unix

package nodes

import (
	"os"
	"path/filepath"
)

// Library returns the node_modules folder with exactly this version of an npm
// package in it, for a program that is run with node.
func Library(t TB, pkg, version string) string {
	t.Helper()
	return must(t)(npm(pkg, version))
}

// Python returns the interpreter of an environment with exactly these packages of
// PyPI in it, NAME==VERSION, and what they need.
func Python(t TB, name string, packages ...string) string {
	t.Helper()
	dir := must(t)(install("pypi-"+name, func(dir string) error {
		if _, err := run(dir, os.Environ(), "python3", "-m", "venv", "."); err != nil {
			return err
		}
		args := append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"}, packages...)
		_, err := run(dir, os.Environ(), filepath.Join(dir, "bin", "python"), args...)
		return err
	}))
	return filepath.Join(dir, "bin", "python")
}

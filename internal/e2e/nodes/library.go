//go:build unix

package nodes

// Library returns the node_modules folder with exactly this version of an npm
// package in it, for a program that is run with node.
func Library(t TB, pkg, version string) string {
	t.Helper()
	return must(t)(npm(pkg, version))
}

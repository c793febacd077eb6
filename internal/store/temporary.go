package store

import (
	"os"
	"path/filepath"
	"slices"
)

// tempFolders are where SQLite makes temporary files, the first that it may write
// to (https://sqlite.org/tempfiles.html).
func tempFolders() []string {
	return []string{os.Getenv("SQLITE_TMPDIR"), os.Getenv("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"}
}

// TempBeside has temporary files made in a file's folder, if there is no other
// folder for them, as in a container whose root is read-only. SQLite looks at the
// environment when the first file of a process is opened.
func TempBeside(path string) {
	usable := func(folder string) bool { return isFolder(folder) && access(folder) == nil }
	if filepath.Separator != '/' || slices.ContainsFunc(tempFolders(), usable) || !usable(filepath.Dir(path)) {
		return
	}
	_ = os.Setenv("TMPDIR", filepath.Dir(path)) // else SQLite says that there is none
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

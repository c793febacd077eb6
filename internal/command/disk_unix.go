//go:build unix

package command

import "golang.org/x/sys/unix"

// freeDisk is how many bytes may be written in a folder.
func freeDisk(folder string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(uint64(s.Bavail) * uint64(s.Bsize)), true
}

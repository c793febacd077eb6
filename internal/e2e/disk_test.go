//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
)

// asRoot leaves a test out that mounts file systems where that is not allowed.
func asRoot(t *testing.T) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), "unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: no file system can be mounted here: %v: %s", err, said)
	}
}

func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "sh", append([]string{"-euc", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, said)
	}
	return string(said)
}

// Where no folder for temporary files can be written, as in a container with a
// read-only root, they are made beside the file: of standard input, and by SQLite.
func TestNoTempFolder(t *testing.T) {
	asRoot(t)
	t.Parallel()
	n := nodes.StartGethDev(t, 0)
	transfers(t, n, 3, 1)
	dir := t.TempDir()
	shell(t, `cp "$1" "$2"/gapless; cd "$2"; ./gapless run --rpc "$3" --until latest --listen off; ./gapless export --format jsonl --out chain.jsonl`,
		binary, dir, n.HTTP)
	said := shell(t, `unshare -m sh -euc '
		mount --bind "$1" /mnt
		for folder in /tmp /var/tmp; do mount -t tmpfs -o ro tmpfs $folder; done
		cd /proc
		cat /mnt/chain.jsonl | TMPDIR=/nowhere /mnt/gapless import - --db /mnt/again.db
		/mnt/gapless digest --db /mnt/again.db
	' sh "$1"`, dir)
	t.Log(said)
	if strings.Contains(said, "6410") || !strings.Contains(said, " blocks from 0 to ") {
		t.Error(said)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "gapless-import*")); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A file system that turns read-only after an error of its disk ends the program
// with a message that says so; when it can be written again, it goes on.
func TestDiskTurnsReadOnly(t *testing.T) {
	asRoot(t)
	t.Parallel()
	dir := t.TempDir()
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	shell(t, `truncate -s 64M "$1"; mkfs.ext4 -q "$1"; mkdir "$2"; mount -o loop,errors=remount-ro "$1" "$2"`, image, mounted)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", mounted).Run() })
	device := strings.TrimPrefix(strings.TrimSpace(shell(t, `findmnt -no SOURCE "$1"`, mounted)), "/dev/")

	n := nodes.StartGethDev(t, 1)
	g := runFor(t, time.Minute, n.HTTP, "--min-free", "1MB")
	g.follows(n)
	g.kill()
	g.db = filepath.Join(mounted, "gapless.db")
	g.start()
	g.follows(n)
	if err := os.WriteFile("/sys/fs/ext4/"+device+"/trigger_fs_error", []byte("1"), 0); err != nil {
		t.Skipf("NOT TESTED: no error of a disk can be made here: %v", err)
	}
	if code := g.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	g.says("has turned read-only", 1)
	g.start()
	if code := g.wait(); code != 1 {
		t.Errorf("started again: exit code %d", code)
	}
	g.says("mount its file system so that it can be written", 1)
	g.kill()
	shell(t, `umount "$2"; fsck.ext4 -pf "$1" || [ $? -le 2 ]; mount -o loop "$1" "$2"`, image, mounted)
	g.start()
	g.follows(n)
	g.stop()
}

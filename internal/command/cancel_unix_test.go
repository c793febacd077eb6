//go:build unix

package command

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A file that is read may be a pipe that nobody writes to: the command ends all the
// same when it is told to.
func TestStoppedAtPipe(t *testing.T) {
	b := newPathBench(t)
	for _, use := range pathUses {
		switch use.kind {
		case "nodes", "labels", "blocks", "receipts":
		default:
			continue
		}
		t.Run(use.args, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { // let go who was left behind
				if pipe, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
					time.Sleep(10 * time.Millisecond)
					pipe.Close()
				}
			})
			b := &pathBench{t, b.content, b.node, b.lake}
			p := begin(t, b.args(use, path)...)
			select {
			case code := <-p.ended:
				t.Fatalf("it has ended before, exit %d: %s", code, &p.stderr)
			case <-time.After(100 * time.Millisecond):
			}
			p.interrupt()
			select {
			case code := <-p.ended:
				p.code = &code
				if code == exitDone || code == exitUsage {
					t.Errorf("exit %d: %s", code, &p.stderr)
				}
			case <-time.After(time.Minute):
				t.Fatal("it goes on")
			}
		})
	}
}

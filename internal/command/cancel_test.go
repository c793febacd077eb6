package command

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every command that reads or writes a file ends when it is told to, whenever that
// is, with one message, and leaves nothing half written.
func TestStopped(t *testing.T) {
	b := newPathBench(t)
	for _, use := range pathUses {
		for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
			t.Run(fmt.Sprint(use.args, " ", after), func(t *testing.T) {
				folder := t.TempDir()
				b := &pathBench{t, b.content, b.node, b.lake}
				path := filepath.Join(folder, "here")
				b.put(use.kind, path)
				var stdout, stderr text
				ctx, stop := context.WithCancel(t.Context())
				defer time.AfterFunc(after, stop).Stop()
				if after == 0 {
					stop()
				}
				ended := make(chan int, 1)
				go func() { ended <- Main(ctx, b.args(use, path), &stdout, &stderr) }()
				select {
				case code := <-ended:
					if said := stderr.String(); code == exitUsage || strings.Contains(said, "context") || strings.Contains(said, "interrupted") {
						t.Errorf("exit %d: %s", code, said)
					}
				case <-time.After(time.Minute):
					t.Fatalf("it goes on: %s", &stderr)
				}
				for _, left := range filesIn(t, folder) {
					if strings.HasSuffix(left, ".tmp") || strings.Contains(left, ".partial-") {
						t.Errorf("it leaves %s", left)
					}
				}
			})
		}
	}
}

//go:build e2e && unix

package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

var losses = flag.Int("losses", 3, "how often TestLitestream loses the machine")

// litestream is the path of Litestream, built from its module once.
var litestream = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "litestream")
	build := exec.Command("go", "build", "-o", path, "github.com/benbjohnson/litestream/cmd/litestream")
	build.Dir, build.Env = "litestream", append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build litestream: %w\n%s", err, out)
	}
	return path, nil
})

// A replicated is a run whose file Litestream replicates, as README's example
// says, to a folder outside of the one that is lost.
type replicated struct {
	*gapless
	node   *nodes.Node
	end    func() // stops the node's chain
	folder string // of the file, and where README's paths begin
	config string
	path   string // Litestream's
	ship   *exec.Cmd
	log    *output
}

// startReplicated starts a run for a node that makes a block in so many seconds,
// and Litestream beside it.
func startReplicated(t *testing.T, limit time.Duration, seconds string, args ...string) *replicated {
	t.Helper()
	path, err := litestream() // before the chain grows
	if err != nil {
		t.Fatal(err)
	}
	n, end := growing(t, seconds)
	r := &replicated{gapless: runFor(t, limit, n.HTTP, args...), node: n, end: end, path: path, log: new(output)}
	r.folder = filepath.Dir(r.db)
	r.config = filepath.Join(t.TempDir(), "litestream.yml")
	if err := os.WriteFile(r.config, readmeBlock(t, "yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.startShipping()
	t.Cleanup(func() {
		r.endShipping(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of Litestream:\n%s", r.log.tail())
		}
	})
	return r
}

// startShipping starts Litestream.
func (r *replicated) startShipping() {
	r.t.Helper()
	r.ship = exec.Command(r.path, "replicate", "-config", r.config)
	r.ship.Dir, r.ship.Stdout, r.ship.Stderr = r.folder, r.log, r.log
	if err := r.ship.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// endShipping ends Litestream by a signal.
func (r *replicated) endShipping(by syscall.Signal) {
	if r.ship.ProcessState == nil {
		_ = r.ship.Process.Signal(by)
		_ = r.ship.Wait()
	}
}

// restore has Litestream make the file anew, and proves it.
func (r *replicated) restore(to string) {
	r.t.Helper()
	cmd := exec.Command(r.path, "restore", "-config", r.config, "-o", to, "gapless.db")
	cmd.Dir = r.folder
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("restore: %v\n%s", err, out)
	}
	verify(r.t, to)
}

// lose loses the machine: nothing of what ran there and of its folder is left.
func (r *replicated) lose() {
	r.t.Helper()
	_ = r.ship.Process.Signal(syscall.SIGKILL)
	r.kill()
	r.endShipping(syscall.SIGKILL)
	entries, err := os.ReadDir(r.folder)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(r.folder, e.Name())))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// head is the highest block of a file.
func (r *replicated) head(path string) (head int64) {
	r.t.Helper()
	file, err := store.OpenReader(r.ctx, path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	latest, err := file.Latest(r.ctx)
	if err != nil || latest == nil {
		r.t.Fatalf("%s has no block: %v", path, err)
	}
	return int64(latest.Number)
}

// A history says when the file had which head.
type history struct {
	at    []time.Time
	heads []int64
}

// watch looks at the head of the file all the time, until ctx ends.
func (h *history) watch(ctx context.Context, path string) {
	file, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(1000)")
	if err != nil {
		return
	}
	defer file.Close()
	for ctx.Err() == nil {
		var head sql.NullInt64
		err := file.QueryRowContext(ctx, `SELECT MAX(number) FROM blocks`).Scan(&head)
		if err == nil && head.Valid && (len(h.heads) == 0 || head.Int64 > h.heads[len(h.heads)-1]) {
			h.at, h.heads = append(h.at, time.Now()), append(h.heads, head.Int64)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// after is how long before a moment the file got the first block above one.
func (h *history) after(number int64, now time.Time) time.Duration {
	for i, head := range h.heads {
		if head > number {
			return now.Sub(h.at[i])
		}
	}
	return 0
}

// growing starts anvil with a chain that grows by many blocks a second, with
// transactions in them, until the test or the function that is given ends it.
func growing(t *testing.T, seconds string) (n *nodes.Node, end func()) {
	n = nodes.StartAnvil(t, "--block-time", seconds)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for ctx.Err() == nil {
			var hash string
			_ = call(ctx, n, &hash, "eth_sendTransaction", map[string]string{
				"from": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "value": "0x1",
			})
			time.Sleep(5 * time.Millisecond)
		}
	})
	stop := func() {
		cancel()
		load.Wait()
	}
	t.Cleanup(stop)
	return n, func() {
		stop()
		must(t, n, "evm_setIntervalMining", 0)
	}
}

// The machine is lost at a random moment, again and again. What Litestream has
// is a whole file each time, a run goes on with it, and fetches what it lacks.
func TestLitestream(t *testing.T) {
	t.Parallel()
	moments := rand.New(rand.NewPCG(*seed, 1))
	r := startReplicated(t, time.Duration(*losses)*30*time.Second+testLimit, "0.05")
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "loss\tran for\tblocks stored\tblocks missing\tof the last\trestored and proved in\tfetched again after\t")
	for i := range *losses {
		ran := time.Duration(1500+moments.IntN(5000)) * time.Millisecond
		var seen history
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		r.eventually(func() error { _, err := os.Stat(r.db); return err })
		watching.Go(func() { seen.watch(ctx, r.db) })
		time.Sleep(ran)
		lost := time.Now()
		r.lose()
		cancel()
		watching.Wait()

		began := time.Now()
		r.restore(r.db)
		restored := time.Since(began)
		had, has := seen.heads[len(seen.heads)-1], r.head(r.db)
		began = time.Now()
		r.start()
		r.startShipping()
		r.eventually(func() error {
			if now := r.head(r.db); now < had {
				return fmt.Errorf("block %d of %d", now, had)
			}
			return nil
		})
		fmt.Fprintf(table, "%d\t%v\t%d\t%d\t%v\t%v\t%v\t\n", i+1, ran, had+1, max(0, had-has), max(0, seen.after(has, lost)).Round(time.Millisecond),
			restored.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	_ = table.Flush() // to memory
	t.Logf("\n%s", &text)
	r.end()
	r.follows(r.node)
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.verify()
}

// Litestream is away while the -wal begins anew: when it is back, it notices.
func TestLitestreamAway(t *testing.T) {
	t.Parallel()
	r := startReplicated(t, testLimit, "0.02")
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		r.longer(200_000) // it has read something that it could take for the new
		r.endShipping(by)
		r.beginsAnew()
		r.startShipping()
		r.ships()
	}
	r.endShipping(syscall.SIGTERM) // as for an upgrade of both
	if code := r.interrupt(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.start()
	r.longer(200_000)
	r.startShipping()
	r.ships()
	r.end()
	r.follows(r.node)
}

// ships makes sure that what Litestream has now and in the next seconds is whole,
// and goes on.
func (r *replicated) ships() {
	r.t.Helper()
	first := r.head(r.db)
	for i := range 3 {
		time.Sleep(time.Second)
		copied := filepath.Join(r.t.TempDir(), "restored.db")
		r.restore(copied)
		if i == 2 && r.head(copied) < first {
			r.t.Errorf("the replica ends with block %d, before %d", r.head(copied), first)
		}
	}
}

// longer waits until the -wal is longer than so many bytes.
func (r *replicated) longer(bytes int64) {
	r.t.Helper()
	r.eventually(func() error {
		info, err := os.Stat(r.db + "-wal")
		if err == nil && info.Size() <= bytes {
			err = fmt.Errorf("the -wal has %d bytes", info.Size())
		}
		return err
	})
}

// beginsAnew waits until the -wal begins anew.
func (r *replicated) beginsAnew() {
	r.t.Helper()
	var before []byte
	r.eventually(func() error {
		now, err := salt(r.db)
		if before == nil {
			before = now
		}
		if err == nil && bytes.Equal(now, before) {
			err = errors.New("the -wal goes on")
		}
		return err
	})
}

// salt is what tells one beginning of the -wal from another
// (https://sqlite.org/fileformat2.html#walformat).
func salt(db string) ([]byte, error) {
	file, err := os.Open(db + "-wal")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	salts := make([]byte, 8)
	_, err = file.ReadAt(salts, 16)
	if err != nil {
		return nil, err
	}
	return salts, nil
}

// Litestream holds the -wal, and takes it into the file by itself before it
// reaches a limit that leaves it room. A chain that begins anew stops the run: the
// file stays where it is, as does what Litestream has of it.
func TestLitestreamLimits(t *testing.T) {
	t.Parallel()
	r := startReplicated(t, testLimit, "0.02", "--wal-limit", "12MB")
	for range 2 {
		r.beginsAnew()
	}
	if strings.Contains(r.gapless.log.String(), "indexing pauses") {
		t.Error("it has paused")
	}
	r.end()
	r.follows(r.node)
	r.node.Restart()
	if code := r.wait(); code != 1 || !strings.Contains(r.gapless.log.String(), "is replicated by Litestream") {
		t.Errorf("exit code %d", code)
	}
	if aside := r.aside(); len(aside) > 0 {
		t.Errorf("put aside: %v", aside)
	}
	r.restore(filepath.Join(t.TempDir(), "restored.db"))
}

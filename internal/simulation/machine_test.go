package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"gapless/internal/store"
)

// A machine is what the program runs on: it dies, and its disk fills up.
type machine struct {
	rng   *rand.Rand
	full  atomic.Bool  // little is free
	pages atomic.Int64 // that the file may have, as SQLite counts; 0: no limit

	dying   sync.Mutex // guards what follows
	crashAt string     // the point at which the machine dies next, if any
	crashed bool       // it has; the file as it was then is at crashPath
}

// points are where the machine can die: as it stands, in a commit that is not
// done yet, after it and before anybody hears of it, and before one.
var points = []string{"rest", "commit", "commit", "fetched", "room", "failed", "rewound"}

// programs are those that run, by the path of their file.
var programs sync.Map

func init() { sqlite.RegisterConnectionHook(connected) }

// connected lets a program's machine have its way with the connection that
// writes.
func connected(conn sqlite.ExecQuerierContext, dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil || u.Query().Get("mode") != "rwc" {
		return nil
	}
	found, ok := programs.Load(u.Path)
	if !ok {
		return nil
	}
	p := found.(*program)
	conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
		p.point("commit")
		return 0
	})
	if pages := p.pages.Load(); pages > 0 {
		_, err = conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages), nil)
	}
	return err
}

func (p *program) attach() { programs.Store(p.path, p) }
func (p *program) detach() { programs.Delete(p.path) }

func (p *program) room() error {
	p.point("room")
	if p.full.Load() {
		return fmt.Errorf("nothing left: %w", store.ErrFull)
	}
	return nil
}

// smallDisk starts the program again on a disk with room for so many more pages.
func (p *program) smallDisk(pages int) {
	p.stop()
	const pageSize = 8192
	if info, err := os.Stat(p.path); err == nil {
		pages += int(info.Size() / pageSize)
	}
	p.pages.Store(int64(pages))
	p.run()
}

// roomAgain ends what smallDisk began.
func (p *program) roomAgain() error {
	p.full.Store(false)
	if p.pages.Swap(0) > 0 {
		p.stop()
		if err := checkFile(p.path); err != nil {
			return fmt.Errorf("after the disk was full: %w", err)
		}
		p.run()
	}
	return nil
}

func (p *program) crashPath() string { return p.path + ".crashed" }

// point is where the machine dies if it is to die there: the file as it is now
// is kept, whatever the program does until it is stopped.
func (p *program) point(name string) {
	p.dying.Lock()
	defer p.dying.Unlock()
	if p.crashAt != name {
		return
	}
	p.crashAt = ""
	var err error
	if name == "commit" {
		err = copyRaw(p.path, p.crashPath(), p.machine.rng) // it is the writer that waits here
	} else {
		err = copyCommitted(p.path, p.crashPath())
	}
	p.fail(err)
	p.crashed = err == nil
}

// crash lets the machine die at a point, or where it stands if that does not
// come in time, and starts the program again on what is on the disk then.
func (p *program) crash(point string, within time.Duration) {
	p.dying.Lock()
	p.crashAt, p.crashed = point, false
	p.dying.Unlock()
	if point != "rest" {
		time.Sleep(within)
	}
	p.dying.Lock()
	p.crashAt = ""
	crashed := p.crashed
	p.dying.Unlock()
	if crashed {
		p.world.counts.add("crash: came at " + point)
	} else {
		synctest.Wait() // nobody writes
		p.fail(copyRaw(p.path, p.crashPath(), p.machine.rng))
	}
	p.stop()
	p.fail(p.restore())
	p.run()
}

// restore puts what the crash left in the place of the file.
func (p *program) restore() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(p.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(p.crashPath()+suffix, p.path+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return checkFile(p.path)
}

// unbind moves the file away that was new when a node lied of its chain id: it
// can be of no other chain any more, and only an operator can know that.
func (p *program) unbind() error {
	synctest.Wait() // not in the midst of a rotation, when either file may be found
	if made, err := isMade(p.path); err != nil || !made {
		return err
	}
	r, err := store.OpenReader(context.Background(), p.path)
	if err != nil {
		return err
	}
	id, unbound := r.Identity(context.Background())
	if err := r.Close(); err != nil || unbound != nil || id.ChainID == chainID {
		return err
	}
	p.world.counts.add("new file bound to a lie")
	p.stop()
	err = moveAside(p.path, p.machine.rng)
	p.run()
	return err
}

// moveAside is what somebody does with the file of a chain that is no more.
func moveAside(path string, rng *rand.Rand) error {
	return os.Rename(path, fmt.Sprintf("%s-%d.db", strings.TrimSuffix(path, filepath.Ext(path)), rng.Uint64()))
}

// copyCommitted copies what a file has committed, whatever is going on.
func copyCommitted(path, to string) error {
	db, err := openSQL(path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`VACUUM INTO ?`, to)
	return err
}

// copyRaw copies the database with its -wal while nobody writes; perhaps a
// write had begun that did not get far.
func copyRaw(path, to string, rng *rand.Rand) error {
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nobody has it open
		}
		if err != nil {
			return err
		}
		if suffix != "" && rng.IntN(2) == 0 {
			content = append(content, bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(9000))...)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gapless/internal/store"
	"gapless/internal/store/disktest"
)

// The machine dies in each sync of the plan and after each step, and has lost what
// was not synced, or any part of it. What was acknowledged is there, and of the call
// that was under way either all or nothing.
func TestMachineDies(t *testing.T) {
	t.Parallel()
	blocks := 200
	if testing.Short() {
		blocks = 40
	}
	steps := plan()
	steps = steps[:slices.IndexFunc(steps, func(s step) bool { return len(s.after) > blocks })]
	path := newPath(t)
	m := startMachine(t, path, steps)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	execute(t, s, `PRAGMA wal_autocheckpoint = 50`) // some 20 times
	wants(t, s.Identify(t.Context(), identity(0)), nil)
	m.live(t)
	for i, step := range m.steps {
		if err := step.do(t.Context(), s); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		m.acknowledged = i
		m.die(t, nil)
		if i%20 == 19 {
			wants(t, s.DrainWAL(t.Context(), 0), nil)
		}
		m.live(t)
	}
	wants(t, s.Close(), nil)
	m.die(t, nil)
	m.live(t)
	t.Logf("%d steps, %d syncs, %d deaths", len(m.steps), m.syncs, m.deaths)
	if m.syncs < len(m.steps) {
		t.Errorf("%d syncs of %d steps", m.syncs, len(m.steps))
	}
}

// The machine dies while a file that was in one piece, as a backup is, becomes one
// that is written to.
func TestMachineDiesAtTheFirstOpen(t *testing.T) {
	t.Parallel()
	from, path := newStore(t, 0, stored(t, 0, 20)), newPath(t)
	wants(t, from.Copy(t.Context(), path, nil), nil)
	m := startMachine(t, path, []step{{after: strings.Repeat("s", 21)}})
	m.acknowledged = 0
	for range 2 {
		s, err := store.Open(t.Context(), path)
		wants(t, err, nil)
		wants(t, s.Close(), nil)
	}
	m.live(t)
	if m.syncs == 0 {
		t.Error("nothing was synced")
	}
}

// A dyingMachine carries out a plan on a disk.
type dyingMachine struct {
	disk         *disktest.Disk
	folder       string
	steps        []step
	acknowledged int // the last step that was, -1 if none was

	syncs, deaths int
	left          []remains // that are to be looked at
}

// startMachine gives a machine that dies whenever it syncs the file at path.
func startMachine(t *testing.T, path string, steps []step) *dyingMachine {
	t.Helper()
	m, rng := &dyingMachine{folder: t.TempDir(), steps: steps, acknowledged: -1}, rand.New(rand.NewPCG(16, 0))
	var err error
	m.disk, err = disktest.Watch(path, func() {
		m.syncs++
		m.die(t, nil)
		m.die(t, rng)
	})
	wants(t, err, nil)
	t.Cleanup(m.disk.Close)
	return m
}

// remains are what a death has left in a file.
type remains struct {
	path         string
	acknowledged int
}

// die leaves what is synced and, of the rest, what rng picks.
func (m *dyingMachine) die(t *testing.T, rng *rand.Rand) {
	m.deaths++
	path := filepath.Join(m.folder, fmt.Sprint(m.deaths), "gapless.db")
	wants(t, os.Mkdir(filepath.Dir(path), 0o700), nil)
	wants(t, m.disk.Leave(path, rng), nil)
	m.left = append(m.left, remains{path, m.acknowledged})
}

// live goes on with what each death has left, as gapless run does.
func (m *dyingMachine) live(t *testing.T) {
	t.Helper()
	for _, r := range m.left {
		_, err := store.NeedsUpgrade(t.Context(), r.path)
		wants(t, err, nil)
		s, err := store.Open(t.Context(), r.path)
		if err != nil {
			t.Fatalf("after step %d: %v", r.acknowledged, err)
		}
		wants(t, s.Close(), nil)
		checkIndex(t, r.path)
		if r.acknowledged >= 0 {
			reached(t, r.path, m.steps, r.acknowledged)
		}
		wants(t, os.RemoveAll(filepath.Dir(r.path)), nil)
	}
	m.left = nil
}

package archive_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

var (
	lakeSeeds = flag.Int("lake-seeds", 0, "random histories of a lake to play; 0: 40, or 3 with -short")
	lakeSeed  = flag.Int("lake-seed", 0, "the history to play, of all; 0: all")
	lakeKeep  = flag.String("lake-keep", "", "keep the last lake and file of each history in this folder")
)

const (
	modelBlocks = 60 // of a chain, at most
	modelSize   = 12 // blocks of a range
	modelSteps  = 30
)

// A branch is a chain, with the rows that each of its blocks has in a lake.
type branch struct {
	name   string
	fork   int // the first block that is not the trunk's
	chain  store.Identity
	blocks []*chain.Block
	rows   []string
}

// branches are chains that share blocks with the first, but for the last one,
// which has another genesis.
var branches = sync.OnceValue(func() (all []branch) {
	specs := []devchain.Spec{{}}
	for i, fork := range []uint64{3, 11, 20, 24, 29, 37, 44, 52} {
		specs = append(specs, devchain.Spec{Fork: fork, Salt: fmt.Sprint("branch ", i)})
	}
	specs = append(specs, devchain.Spec{Salt: "another genesis"})
	for _, spec := range specs {
		spec.Blocks, spec.Transactions, spec.Logs, spec.Uncles = modelBlocks-1, 1, 1, 7
		c := devchain.Build(spec)
		b := branch{name: fmt.Sprintf("%q", spec.Salt), fork: int(spec.Fork),
			chain: store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Client: c.Client}}
		for i := range c.Blocks {
			block, err := chain.DecodeBlock(c.Blocks[i].Block)
			if err == nil {
				err = errors.Join(block.DecodeReceipts(c.Blocks[i].Receipts), block.DecodeUncles(c.Blocks[i].Uncles))
			}
			if err != nil {
				panic(err)
			}
			chain.Verify(block, chain.AllChecks)
			b.blocks = append(b.blocks, block)
		}
		all = append(all, b)
	}
	return all
})

// learnRows writes each branch once to know its rows. That these are the rows of
// the blocks is for TestParquet.
func learnRows(t *testing.T) {
	all := branches()
	for i := range all {
		b := &all[i]
		if b.rows != nil {
			continue
		}
		path, folder := filepath.Join(t.TempDir(), "chain.db"), t.TempDir()
		s := openModelStore(t, path, b, 0)
		commitBlocks(t, s, b, 0, modelBlocks, nil)
		s.Close()
		add(t, folder, selected(t, path), 1000)
		l := scanLake(t, folder)
		for number := range uint64(modelBlocks) {
			b.rows = append(b.rows, l.block(number))
		}
	}
}

func openModelStore(t *testing.T, path string, b *branch, start uint64) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	id := b.chain
	id.Start = start
	if err := s.Identify(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return s
}

// entriesOf gives blocks of a branch to commit; missing ones are failures.
func entriesOf(b *branch, first, end int, missing map[int]bool) (entries []store.Entry) {
	for n := first; n < end; n++ {
		if missing[n] {
			entries = append(entries, store.Entry{Failure: &chain.Failure{Number: uint64(n), Class: chain.BlockError, Message: "no"}})
		} else {
			entries = append(entries, store.Entry{Block: b.blocks[n]})
		}
	}
	return entries
}

// anchorsOf gives the hashes of all blocks of a branch.
func anchorsOf(b *branch) (anchors []store.Anchor) {
	for _, block := range b.blocks {
		anchors = append(anchors, store.Anchor{Number: block.Number, Hash: block.Hash})
	}
	return anchors
}

func commitBlocks(t *testing.T, s *store.Store, b *branch, first, end int, missing map[int]bool) {
	t.Helper()
	if err := s.Commit(t.Context(), entriesOf(b, first, end, missing), anchorsOf(b)...); err != nil {
		t.Fatal(err)
	}
}

// A model is a file and a lake, and what is known of both.
type model struct {
	t      *testing.T
	random *rand.Rand
	folder string // of the lake
	path   string
	store  *store.Store
	files  int // that were made
	log    []string

	refused     bool // the last export: below the file's first block the lake has another branch
	failed      bool // the last export was killed, or had no room
	branch      *branch
	start, next int
	missing     map[int]bool
}

// TestLakeModel plays random histories of a file: it grows, is reorganised,
// reverted, pruned, loses blocks and gets them back, and makes way for other files.
// In between it is exported, with and without bounds, and followed; some exports
// are killed at one of their steps, or find the disk full. Each time a reader that
// knows nothing of the program judges what is there. A history that fails is played
// again by -lake-seed.
func TestLakeModel(t *testing.T) {
	learnRows(t)
	first, last := 1, *lakeSeeds
	switch {
	case *lakeSeed > 0:
		first, last = *lakeSeed, *lakeSeed
	case last == 0 && testing.Short():
		last = 3
	case last == 0:
		last = 40
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, random: rand.New(rand.NewPCG(uint64(seed), 7)), folder: filepath.Join(t.TempDir(), "lake")}
			defer func() {
				if t.Failed() {
					t.Logf("history:\n%s", strings.Join(m.log, "\n"))
				}
			}()
			m.play(seed)
		})
	}
}

func (m *model) play(seed int) {
	m.newFile(0)
	for range modelSteps {
		m.step()
		if m.t.Failed() {
			return
		}
	}
	for n := range m.missing {
		m.fill(n)
	}
	m.export(nil, nil)
	m.verify()
	if err := m.store.Close(); err != nil {
		m.t.Fatal(err)
	}
	if *lakeKeep != "" && !m.refused {
		kept := filepath.Join(*lakeKeep, fmt.Sprint(seed))
		if err := errors.Join(os.MkdirAll(kept, 0o755), os.CopyFS(filepath.Join(kept, "lake"), os.DirFS(m.folder)),
			os.Rename(m.path, filepath.Join(kept, "chain.db"))); err != nil {
			m.t.Fatal(err)
		}
	}
}

// verify has the program's own checker look, which finds nothing.
func (m *model) verify() {
	if _, err := os.Stat(filepath.Join(m.folder, "gapless.json")); err != nil {
		return
	}
	before, _ := listLake(m.t, m.folder)
	r, err := store.OpenReader(m.t.Context(), m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	c := archive.DatasetCheck{Reader: r, Fault: func(what string) { m.t.Errorf("verify: %s", what) }}
	if m.refused = m.otherBranch(before); m.refused { // by the last export
		return
	}
	if err := c.Check(m.t.Context(), m.folder); err != nil || int(c.Compared) != m.next-m.start {
		m.t.Errorf("verify: compared %d blocks, %v", c.Compared, err)
	}
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// step does one thing that may happen.
func (m *model) step() {
	if m.failed && m.random.IntN(2) == 0 { // recovering fails, too
		m.export(nil, &faultyDisk{left: m.random.IntN(20), kind: faultKind(m.random.IntN(3))})
		return
	}
	switch m.random.IntN(16) {
	case 0, 1, 2:
		m.grow()
	case 3, 4:
		m.reorg()
	case 5:
		m.revert()
	case 6:
		m.suspect()
	case 7:
		for n := range m.missing {
			m.fill(n)
		}
	case 8:
		m.prune()
	case 9:
		if m.random.IntN(3) == 0 {
			m.newFile(m.random.IntN(modelBlocks - 10))
		} else {
			m.reset()
		}
	case 10, 11, 12:
		m.export(nil, m.fault())
	case 13:
		first := m.start + m.random.IntN(max(1, m.next-m.start))
		last := first + m.random.IntN(max(1, m.next-first))
		m.export([]int{first, last}, m.fault())
	default:
		m.follow(m.random.IntN(10), m.fault())
	}
}

// newFile begins another file of the same chain, which may be of another branch.
func (m *model) newFile(start int) {
	if m.store != nil {
		m.store.Close()
	}
	all := branches()
	m.branch, m.start, m.next, m.missing = &all[m.random.IntN(len(all)-1)], start, start, make(map[int]bool)
	m.files++
	m.path = filepath.Join(m.t.TempDir(), fmt.Sprint(m.files, ".db"))
	m.store = openModelStore(m.t, m.path, m.branch, uint64(start))
	m.note("file from block %d", start)
	m.grow()
}

func (m *model) grow() {
	end := min(modelBlocks, m.next+1+m.random.IntN(20))
	if end == m.next {
		return
	}
	m.someMissing(end)
	commitBlocks(m.t, m.store, m.branch, m.next, end, m.missing)
	m.note("grow on %s from %d to before %d, missing %v", m.branch.name, m.next, end, m.missing)
	m.next = end
}

func (m *model) someMissing(end int) {
	for n := m.next; n < end; n++ {
		if n > 0 && m.random.IntN(25) == 0 {
			m.missing[n] = true
		}
	}
	if m.random.IntN(6) == 0 { // a run of them
		first := max(1, m.next+m.random.IntN(end-m.next))
		for n := first; n < min(end, first+modelSize+3); n++ {
			m.missing[n] = true
		}
	}
}

// reorg goes over to another branch, to a head that may be lower.
func (m *model) reorg() {
	all := branches()
	to := &all[m.random.IntN(len(all)-1)]
	ancestor := modelBlocks
	for _, b := range []*branch{to, m.branch} {
		if b.fork > 0 {
			ancestor = min(ancestor, b.fork-1)
		}
	}
	if to == m.branch || ancestor+1 < m.start || ancestor+1 >= m.next {
		return
	}
	m.rewind(ancestor+1, to)
	m.note("reorg to %s above %d", to.name, ancestor)
	if m.random.IntN(4) > 0 || m.next == m.start {
		m.grow()
	}
}

func (m *model) rewind(next int, to *branch) {
	if err := m.store.Rewind(m.t.Context(), store.Reorg{Ancestor: uint64(next) - 1}, nil); err != nil {
		m.t.Fatal(err)
	}
	m.next, m.branch = next, to
	for n := range m.missing {
		if n >= next {
			delete(m.missing, n)
		}
	}
}

func (m *model) revert() {
	if m.next-m.start < 2 {
		return
	}
	next := m.next - 1 - m.random.IntN(min(15, m.next-m.start-1))
	if next < 1 {
		return
	}
	m.rewind(next, m.branch)
	m.note("revert to before %d", next)
}

func (m *model) suspect() {
	n := m.start + m.random.IntN(max(1, m.next-m.start))
	if n == 0 || n >= m.next || m.missing[n] {
		return
	}
	if _, err := m.store.Suspect(m.t.Context(), uint64(n), chain.Invalid, "no"); err != nil {
		m.t.Fatal(err)
	}
	m.missing[n] = true
	m.note("lose %d", n)
}

func (m *model) fill(n int) {
	if _, err := m.store.Fill(m.t.Context(), m.branch.blocks[n], m.store.Rewinds()); err != nil {
		m.t.Fatal(err)
	}
	delete(m.missing, n)
	m.note("fill %d", n)
}

func (m *model) prune() {
	highest := m.next - 1
	for highest > m.start && m.missing[highest] {
		highest--
	}
	if highest <= m.start {
		return
	}
	below := m.start + m.random.IntN(highest-m.start) + 1
	for m.start < below {
		start, err := m.store.Prune(m.t.Context(), uint64(below))
		if err != nil {
			m.t.Fatal(err)
		}
		m.start = int(start)
	}
	maps.DeleteFunc(m.missing, func(n int, _ bool) bool { return n < m.start })
	m.note("prune below %d", below)
}

// reset exports and follows a file with another genesis, which changes nothing.
func (m *model) reset() {
	if _, err := os.Stat(filepath.Join(m.folder, "gapless.json")); err != nil {
		return
	}
	before := contents(m.t, m.folder)
	other := &branches()[len(branches())-1]
	path := filepath.Join(m.t.TempDir(), "other.db")
	s := openModelStore(m.t, path, other, 0)
	defer s.Close()
	commitBlocks(m.t, s, other, 0, 20, nil)
	m.note("reset")
	if _, err := archive.OpenDataset(m.folder, selected(m.t, path).Identity, 0); err == nil || !strings.Contains(err.Error(), "another chain") {
		m.t.Errorf("reset: error %v", err)
	}
	sameContents(m.t, "reset", before, contents(m.t, m.folder))
}

// fault makes a disk that may fail, nil if none does.
func (m *model) fault() *faultyDisk {
	if m.random.IntN(2) == 0 {
		return nil
	}
	operations := 40
	if m.random.IntN(2) == 0 {
		operations = 200
	}
	return &faultyDisk{left: m.random.IntN(operations), kind: faultKind(m.random.IntN(3))}
}

// export exports all blocks, or those in bounds.
func (m *model) export(bounds []int, fault *faultyDisk) {
	what := fmt.Sprintf("export %v, fault %+v", bounds, fault)
	var from, to *uint64
	if bounds != nil {
		a, b := uint64(bounds[0]), uint64(bounds[1])
		from, to = &a, &b
	}
	m.judge(what, fault, func(on archive.Disk, r *store.Reader) error {
		s, err := archive.Select(m.t.Context(), r, from, to)
		if err != nil {
			return err
		}
		d, err := archive.OpenDatasetOn(on, m.folder, s.Identity, modelSize)
		if err == nil {
			_, err = d.Add(m.t.Context(), s, nil)
		}
		return err
	}, func(after lake) {
		first, last := m.start, m.next-1
		if bounds != nil {
			first, last = bounds[0], bounds[1]
		}
		m.has(what, after, first, last)
	})
}

// follow follows once.
func (m *model) follow(confirmations int, fault *faultyDisk) {
	what := fmt.Sprintf("follow with %d confirmations, fault %+v", confirmations, fault)
	deep := uint64(confirmations)
	m.judge(what, fault, func(on archive.Disk, r *store.Reader) error {
		d, err := archive.OpenDatasetOn(on, m.folder, m.branch.chain, modelSize)
		if err != nil {
			return err
		}
		f := archive.Follower{Reader: r, Dataset: d, Confirmations: &deep}
		return f.Step(m.t.Context())
	}, func(after lake) {
		for first := m.start; ; {
			last := first - first%modelSize + modelSize - 1
			if last >= m.next-confirmations {
				break
			}
			whole := true
			for n := first; n <= last; n++ {
				whole = whole && !m.missing[n]
			}
			if whole {
				m.has(what, after, first, last)
			}
			first = last + 1
		}
	})
}

// has looks if blocks are there.
func (m *model) has(what string, l lake, first, last int) {
	for n := first; n <= last; n++ {
		if l.block(uint64(n)) != m.branch.rows[n] {
			m.t.Errorf("%s: block %d is not that of the file: %.200s", what, n, l.block(uint64(n)))
			return
		}
	}
}

// judge does something to the lake, and looks what is there before and after.
func (m *model) judge(what string, fault *faultyDisk, do func(archive.Disk, *store.Reader) error, good func(after lake)) {
	before, _ := listLake(m.t, m.folder)
	var on archive.Disk = unsynced{archive.OSDisk}
	if fault != nil {
		fault.Disk = on
		on = fault
	}
	r, err := store.OpenReader(m.t.Context(), m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	err = do(on, r)
	if err := r.Close(); err != nil {
		m.t.Fatal(err)
	}
	after := scanLake(m.t, m.folder)
	m.note("%s: %v", what, err)
	m.consistent(what, after)
	listed, placed := listLake(m.t, m.folder)
	m.consistent(what, listed)
	m.failed = err != nil && fault != nil && fault.happened
	_, missing := errors.AsType[*archive.MissingError](err)
	switch {
	case err == nil:
		if !placed || !cmp.Equal(after, listed) {
			m.t.Errorf("%s: the manifest does not name what is there", what)
		}
		m.equal(what, before, after)
		good(after)
	case fault != nil && fault.happened:
	case missing && (len(m.missing) > 0 || m.next == m.start), m.otherBranch(before) && strings.Contains(err.Error(), "into another folder"):
		for n := range uint64(modelBlocks) {
			if before.block(n) != listed.block(n) {
				m.t.Errorf("%s: %v, but block %d changed", what, err, n)
			}
		}
	default:
		m.t.Errorf("%s: %v", what, err)
	}
}

// otherBranch reports whether the block below the file's first one in the lake is
// not its parent.
func (m *model) otherBranch(l lake) bool {
	if m.start == 0 {
		return false
	}
	below := l.block(uint64(m.start) - 1)
	return below != "" && below != m.branch.rows[m.start-1]
}

// consistent is what anybody may rely on at any time: a block that is there has all
// that is in it, and is the child of the one below.
func (m *model) consistent(what string, l lake) {
	known := make(map[string]bool)
	for _, b := range branches() {
		for _, rows := range b.rows {
			known[rows] = true
		}
	}
	for n := range uint64(modelBlocks) {
		if text := l.block(n); text != "" && !known[text] {
			m.t.Errorf("%s: block %d has not what is in it", what, n)
		}
	}
}

// equal is what holds after all that ended well: blocks that the file has are the
// file's, nothing is above its last one, and what it doesn't have stays.
func (m *model) equal(what string, before, after lake) {
	stale := false
	for n := range modelBlocks {
		was, is := before.block(uint64(n)), after.block(uint64(n))
		switch {
		case n < m.start:
			if was != "" && was != is {
				m.t.Errorf("%s: block %d, which the file has pruned, has changed", what, n)
			}
			continue
		case n >= m.next:
			if is != "" {
				m.t.Errorf("%s: block %d is above the file's last one", what, n)
			}
			stale = stale || was != ""
		case !m.missing[n]:
			if is != "" && is != m.branch.rows[n] {
				m.t.Errorf("%s: block %d is not that of the file", what, n)
			}
			stale = stale || was != "" && was != m.branch.rows[n]
		default:
			stale = stale || was != "" && was != m.branch.rows[n]
		}
	}
	for n := m.start; n < m.next && !stale; n++ {
		if was := before.block(uint64(n)); was != "" && after.block(uint64(n)) != was {
			m.t.Errorf("%s: block %d is gone", what, n)
		}
	}
	for table, blocks := range after {
		for n := range blocks {
			if after.block(n) == "" {
				m.t.Errorf("%s: %s has rows of block %d, which is not there", what, table, n)
			}
		}
	}
}

// unsynced is a disk that does not wait for the disk.
type unsynced struct{ archive.Disk }

func (u unsynced) Create(path string) (io.WriteCloser, error) {
	return os.Create(path)
}
func (unsynced) Sync(string) error { return nil }

// A faultKind is how a disk fails.
type faultKind int

const (
	killed  faultKind = iota // the process ends before the operation
	full                     // nothing new fits from then on
	unknown                  // the operation is done, but said to have failed
)

// A faultyDisk fails at an operation.
type faultyDisk struct {
	archive.Disk
	left     int // operations until then
	kind     faultKind
	happened bool
}

var errKilled = errors.New("killed")

func (f *faultyDisk) String() string { return fmt.Sprintf("%d after %d", f.kind, f.left) }

// at does an operation, unless it fails; grows says that it takes room.
func (f *faultyDisk) at(grows bool, do func() error) error {
	f.left--
	now := f.left == -1
	f.happened = f.happened || now && (grows || f.kind != full)
	switch {
	case !f.happened:
		if now {
			f.left++ // the next that grows
		}
		return do()
	case f.kind == killed:
		return errKilled
	case f.kind == full && grows:
		return syscall.ENOSPC
	case f.kind == unknown && now:
		return errors.Join(do(), syscall.EIO)
	}
	return do()
}

func (f *faultyDisk) Create(path string) (w io.WriteCloser, err error) {
	err = f.at(true, func() error {
		w, err = f.Disk.Create(path)
		return err
	})
	if err != nil && w != nil {
		_ = w.Close()
	}
	return faultyFile{w, f}, err
}

type faultyFile struct {
	io.WriteCloser
	disk *faultyDisk
}

func (w faultyFile) Write(p []byte) (n int, err error) {
	err = w.disk.at(true, func() error {
		n, err = w.WriteCloser.Write(p)
		return err
	})
	return n, err
}

func (f *faultyDisk) MkdirAll(path string) error {
	return f.at(true, func() error { return f.Disk.MkdirAll(path) })
}

func (f *faultyDisk) Rename(from, to string) error {
	return f.at(false, func() error { return f.Disk.Rename(from, to) })
}

func (f *faultyDisk) Remove(path string) error {
	return f.at(false, func() error { return f.Disk.Remove(path) })
}

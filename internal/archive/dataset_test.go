package archive_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

// contents are the files of a folder by their paths.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		all[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameContents compares two folders, by the names of their files first.
func sameContents(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	names := func(of map[string]string) map[string]int {
		lengths := make(map[string]int)
		for name, content := range of {
			lengths[name] = len(content)
		}
		return lengths
	}
	if diff := cmp.Diff(names(want), names(got)); diff != "" {
		t.Errorf("%s: files and their lengths (-want +got):\n%s", what, diff)
		return
	}
	for name := range want {
		if want[name] != got[name] {
			t.Errorf("%s: %s has other bytes", what, name)
		}
	}
}

func dataset(t *testing.T, folder string, of *archive.Selection, size uint64) *archive.Dataset {
	t.Helper()
	d, err := archive.OpenDataset(folder, of.Identity, size)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// add exports what is selected and gives the first blocks of the ranges that were
// written, and of those that the chain had left.
func add(t *testing.T, folder string, s *archive.Selection, size uint64) (written, left []uint64) {
	t.Helper()
	gone, err := dataset(t, folder, s, size).Add(t.Context(), s, func(r archive.Range, anew bool) {
		if anew {
			written = append(written, r.First)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range gone {
		left = append(left, r.First)
	}
	return written, left
}

// A dataset that has grown is the same as one that was written at once.
func TestDataset(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	once := filepath.Join(t.TempDir(), "data")
	if written, _ := add(t, once, selected(t, path, 0, 349), 100); !cmp.Equal(written, []uint64{0, 100, 200, 300}) {
		t.Errorf("written: %v", written)
	}
	want := contents(t, once)
	if len(want) != 4*len(archive.Tables)+1 {
		t.Errorf("%d files", len(want))
	}
	if found, err := filepath.Glob(filepath.Join(once, "transactions/first_block=300/300-349-????????.parquet")); len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
	grown := t.TempDir()
	size := uint64(100) // later it is that of the folder
	for _, tt := range []struct {
		to   uint64
		want []uint64
	}{{120, []uint64{0, 100}}, {120, nil}, {199, []uint64{100}}, {349, []uint64{200, 300}}, {80, nil}} {
		written, left := add(t, grown, selected(t, path, 0, tt.to), size)
		if !cmp.Equal(written, tt.want) || left != nil {
			t.Errorf("to %d: written %v, want %v; left %v", tt.to, written, tt.want, left)
		}
		size = 0
	}
	sameContents(t, "grown", want, contents(t, grown))
}

// A folder may be named in any way that leads to it.
func TestDatasetPaths(t *testing.T) {
	path := wholeFile(t)
	want := t.TempDir()
	add(t, want, selected(t, path, 0, 49), 20)
	for _, name := range []string{"lake", "lake/", "./lake", ".", "./", "new/lake", "my lake", "100%", "lake?", "#lake", "[lake", "*", "\u00e9\u4e2d"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			add(t, name, selected(t, path, 0, 29), 20)
			add(t, name, selected(t, path, 0, 49), 0) // into what is there
			sameContents(t, name, contents(t, want), contents(t, name))
		})
	}
}

// What is no dataset of the chain is left alone.
func TestDatasetRefuses(t *testing.T) {
	t.Parallel()
	s := selected(t, wholeFile(t), 0, 49)
	folder := t.TempDir()
	add(t, folder, s, 20)
	other := devchain.Build(devchain.Spec{Blocks: 30, Salt: "another"})
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "mine.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	withManifest := func(text string) string {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "gapless.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	older := withManifest(`{"format": "gapless-parquet/1", "range": 20, "ranges": [{"first_block": 0, "last_block": 19}]}`)
	newer := withManifest(`{"format": "gapless-parquet/3", "range": 20}`)
	damaged := withManifest(`{"format": "gapl`)
	lacking := t.TempDir()
	add(t, lacking, s, 20)
	lost, _ := filepath.Glob(filepath.Join(lacking, "logs/first_block=20/*"))
	if err := os.Remove(lost[0]); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, folder string
		of           *archive.Selection
		size         uint64
		want         string
	}{
		{"another chain", folder, selected(t, newFile(t, other, 30)), 0, "has another chain: chain id 4410271514675966"},
		{"another size", folder, s, 10, "has ranges of 20 blocks"},
		{"not empty", foreign, s, 0, "is not empty"},
		{"an older form", older, s, 0, "export anew into another folder"},
		{"a newer form", newer, s, 0, "name another folder"},
		{"damaged", damaged, s, 0, "name another folder"},
		{"a file is gone", lacking, s, 0, "is gone, but gapless.json names it"},
	} {
		before := contents(t, tt.folder)
		if _, err := archive.OpenDataset(tt.folder, tt.of.Identity, tt.size); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		sameContents(t, tt.name, before, contents(t, tt.folder))
	}
}

// What the folder has of a range stays when more is written of it.
func TestDatasetGrowsUpwards(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	folder, want := t.TempDir(), t.TempDir()
	add(t, folder, selected(t, path, 42, 49), 20)
	add(t, folder, selected(t, path, 55, 70), 20)
	add(t, want, selected(t, path, 42, 70), 20)
	sameContents(t, "grown upwards", contents(t, want), contents(t, folder))
	add(t, folder, selected(t, path, 0, 41), 20)
	add(t, folder, selected(t, path, 0, 79), 20)
	once := t.TempDir()
	add(t, once, selected(t, path, 0, 79), 20)
	sameContents(t, "grown downwards", contents(t, once), contents(t, folder))
}

// Ranges that the chain has left are written anew, as far as the chain has them and
// they are final.
func TestDatasetReorganised(t *testing.T) {
	t.Parallel()
	spec := devchain.Spec{Blocks: 90, Transactions: 2, Logs: 1}
	before := newFile(t, devchain.Build(spec), 90)
	spec.Fork, spec.Salt, spec.Blocks = 45, "fork", 100
	after := newFile(t, devchain.Build(spec), 100)
	exported, followed := t.TempDir(), t.TempDir()
	add(t, exported, selected(t, before), 20)
	add(t, followed, selected(t, before), 20)

	some := uint64(30) // up to block 70
	var wrote, leftBehind []uint64
	f := archive.Follower{Reader: openReader(t, after), Dataset: dataset(t, followed, selected(t, after), 0), Confirmations: &some,
		Wrote: func(r archive.Range) { wrote = append(wrote, r.First, r.Last) },
		Left: func(all []archive.Range) {
			for _, r := range all {
				leftBehind = append(leftBehind, r.First)
			}
		},
	}
	for range 2 { // the second time nothing happens
		if err := f.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !cmp.Equal(wrote, []uint64{40, 59}) || !cmp.Equal(leftBehind, []uint64{80, 60, 40}) {
		t.Errorf("wrote %v, left %v", wrote, leftBehind)
	}
	want := t.TempDir()
	add(t, want, selected(t, after, 0, 70), 20)
	sameContents(t, "followed", contents(t, want), contents(t, followed))

	written, left := add(t, exported, selected(t, after), 0)
	if !cmp.Equal(written, []uint64{40, 60, 80, 100}) || !cmp.Equal(left, []uint64{80, 60, 40}) {
		t.Errorf("written %v, left %v", written, left)
	}
	add(t, want, selected(t, after), 20)
	sameContents(t, "after a reorg", contents(t, want), contents(t, exported))
}

// A file whose head is lower leaves nothing above it in the folder.
func TestDatasetReverted(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	short := newFile(t, recording(), 48)
	folder, want := t.TempDir(), t.TempDir()
	add(t, folder, selected(t, path, 0, 90), 20)
	written, left := add(t, folder, selected(t, short), 0)
	if !cmp.Equal(written, []uint64{40}) || !cmp.Equal(left, []uint64{80, 60, 40}) {
		t.Errorf("written %v, left %v", written, left)
	}
	add(t, want, selected(t, short), 20)
	sameContents(t, "reverted", contents(t, want), contents(t, folder))
}

// What a killed process has left is gone when the next one begins, and nothing
// else is.
func TestDatasetTidies(t *testing.T) {
	t.Parallel()
	s := selected(t, wholeFile(t), 0, 49)
	folder := t.TempDir()
	add(t, folder, s, 20)
	want := contents(t, folder)
	for name, ours := range map[string]bool{
		"logs/first_block=20/20-39-00000000.parquet":        true,
		"blocks/first_block=400/400-419-abcdef01.parquet":   true,
		".staging/logs.part":                                true,
		".staging/logs-20-39-00000000":                      true,
		".staging/gapless.json":                             true,
		".staging/mine":                                     false,
		"logs/first_block=20/mine.parquet":                  false,
		"logs/first_block=20/20-39-0000000g.parquet":        false,
		"mine/first_block=20/20-39-00000000.parquet":        false,
		"logs/20-39-00000000.parquet":                       false,
		"logs/first_block=600/notes/20-39-00000000.parquet": false,
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("part"), 0o644)); err != nil {
			t.Fatal(err)
		}
		if !ours {
			want[name] = "part"
		}
	}
	if written, _ := add(t, folder, s, 0); written != nil {
		t.Errorf("written: %v", written)
	}
	sameContents(t, "tidied", want, contents(t, folder))
	if _, err := os.Stat(filepath.Join(folder, "blocks", "first_block=400")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of what was removed: %v", err)
	}
}

// A folder that another process writes to is left alone.
func TestDatasetOfTwo(t *testing.T) {
	t.Parallel()
	path := wholeFile(t)
	folder := t.TempDir()
	add(t, folder, selected(t, path, 0, 49), 20)
	mine := dataset(t, folder, selected(t, path), 0)
	add(t, folder, selected(t, path, 0, 70), 0)
	want := contents(t, folder)
	if _, err := mine.Add(t.Context(), selected(t, path, 0, 59), nil); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v", err)
	}
	add(t, folder, selected(t, path, 0, 70), 0)
	sameContents(t, "of two", want, contents(t, folder))
}

// Where nothing can be written nothing is left.
func TestDatasetOfMissingBlocks(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "lake")
	path := newFile(t, recording(), 60)
	s := selected(t, path)
	d := dataset(t, folder, s, 20)
	w, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Suspect(t.Context(), 33, chain.Invalid, "no"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Add(t.Context(), s, nil)
	if _, ok := errors.AsType[*archive.MissingError](err); !ok {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
}

// A follower adds what is whole and final, and nothing else.
func TestFollower(t *testing.T) {
	t.Parallel()
	c := recording()
	path := newFile(t, c, 119, 33)
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	folder := t.TempDir()
	var wrote, waits []uint64
	start := func(confirmations *uint64) *archive.Follower {
		r := openReader(t, path)
		id, err := r.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d, err := archive.OpenDataset(folder, id, 20)
		if err != nil {
			t.Fatal(err)
		}
		return &archive.Follower{Reader: r, Dataset: d, Confirmations: confirmations,
			Wrote: func(r archive.Range) { wrote = append(wrote, r.First) },
			Waits: func(first, _ uint64, why *archive.MissingError) {
				waits = append(waits, first)
				if !strings.Contains(why.Error(), "blocks are missing: 33 ") {
					t.Error(why)
				}
			}}
	}
	f := start(nil)
	step := func(what string, wantWrote, wantWaits []uint64) {
		t.Helper()
		wrote, waits = nil, nil
		if err := f.Step(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !cmp.Equal(wrote, wantWrote) || !cmp.Equal(waits, wantWaits) {
			t.Errorf("%s: wrote %v, want %v; waits %v, want %v", what, wrote, wantWrote, waits, wantWaits)
		}
	}
	step("no finality, 64 confirmations", []uint64{0}, []uint64{20})
	step("nothing new", nil, nil)
	finalize(t, s, c.Block(79).Hash, 79)
	step("the node's word", []uint64{40, 60}, nil)
	if _, err := s.Fill(t.Context(), decode(t, c.Block(33)), s.Rewinds()); err != nil {
		t.Fatal(err)
	}
	step("the gap is filled", []uint64{20}, nil)
	addBlocks(t, s, c, 200)
	step("new blocks alone", nil, nil)
	finalize(t, s, c.Block(500).Hash, 500)
	deep := uint64(90)
	f = start(&deep)
	step("confirmations beside the node's word", []uint64{80}, nil)
	f = start(nil)
	step("the node's word is ahead", []uint64{100, 120, 140, 160, 180}, nil)

	once := t.TempDir()
	add(t, once, selected(t, path, 0, 199), 20)
	sameContents(t, "followed", contents(t, once), contents(t, folder))
}

func finalize(t *testing.T, s *store.Store, hash [32]byte, number uint64) {
	t.Helper()
	if err := s.SetFinality(t.Context(), &store.Tag{Number: number, Hash: hash}, nil); err != nil {
		t.Fatal(err)
	}
}

// A file that another took the place of ends who follows.
func TestFollowerReset(t *testing.T) {
	t.Parallel()
	path := newFile(t, devchain.Build(devchain.Spec{Blocks: 40}), 40)
	next := newFile(t, devchain.Build(devchain.Spec{Blocks: 40, Salt: "next"}), 40)
	none := uint64(0)
	s := selected(t, path)
	f := archive.Follower{Reader: openReader(t, path), Dataset: dataset(t, t.TempDir(), s, 20), Confirmations: &none}
	if err := f.Step(t.Context()); err != nil || len(f.Dataset.Ranges) != 2 {
		t.Fatalf("%d ranges, %v", len(f.Dataset.Ranges), err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	if err := f.Step(t.Context()); err == nil || !strings.Contains(err.Error(), "another chain has begun") {
		t.Errorf("error %v", err)
	}
}

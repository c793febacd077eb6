package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A Dataset is a folder of Parquet files, in ranges of so many blocks each that
// begin with multiples of that number:
//
//	DIR/transactions/first_block=20000/transactions.parquet
//
// Engines that know Hive's folders take it for one table with a column
// first_block. What is done stands in DIR/gapless.json. A file has its name only
// once it is whole; that of the blocks gets it last, so whoever sees a range's
// blocks finds all that is in them.
type Dataset struct {
	folder string
	manifest
}

// manifest is the content of gapless.json.
type manifest struct {
	Format  string      `json:"format"`
	ChainID uint64      `json:"chain_id"`
	Genesis common.Hash `json:"genesis"`
	Fork    *store.Tag  `json:"fork,omitempty"`
	Size    uint64      `json:"range"` // blocks of a range
	Ranges  []Range     `json:"ranges"`
}

// A Range is blocks that are in a dataset: all of a range, or those that the file
// had of it.
type Range struct {
	First  uint64      `json:"first_block"`
	Last   uint64      `json:"last_block"`
	Parent common.Hash `json:"parent_hash"` // of the first
	Hash   common.Hash `json:"hash"`        // of the last
}

// DefaultRange is how many blocks a range has.
const DefaultRange = 10_000

const (
	datasetFormat = "gapless-parquet/1"
	manifestName  = "gapless.json"
)

// OpenDataset opens the dataset of a chain in a folder, or begins one where
// nothing or an empty folder is. A size of 0 is that of the folder, or
// [DefaultRange].
func OpenDataset(folder string, id store.Identity, size uint64) (*Dataset, error) {
	folder, err := filepath.Abs(folder) // so that it has a parent
	if err != nil {
		return nil, err
	}
	d := &Dataset{folder, manifest{datasetFormat, id.ChainID, id.Genesis, id.Fork, cmp.Or(size, DefaultRange), []Range{}}}
	content, err := os.ReadFile(d.path(manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return d, d.begin()
	}
	if err != nil {
		return nil, err
	}
	d.manifest = manifest{}
	if err := json.Unmarshal(content, &d.manifest); err != nil || d.Format != datasetFormat || d.Size == 0 {
		return nil, fmt.Errorf("%s is not one that this version of gapless has written: name another folder", d.path(manifestName))
	}
	if of := (store.Identity{ChainID: d.ChainID, Genesis: d.Genesis, Fork: d.Fork}); !of.SameChain(id) {
		return nil, fmt.Errorf("the folder %s has another chain: chain id %d and genesis %s, but the file has %d and %s",
			folder, d.ChainID, d.Genesis, id.ChainID, id.Genesis)
	}
	if size != 0 && size != d.Size {
		return nil, fmt.Errorf("the folder %s has ranges of %d blocks: begin another, or leave out --range", folder, d.Size)
	}
	return d, d.tidy()
}

func (d *Dataset) path(parts ...string) string {
	return filepath.Join(append([]string{d.folder}, parts...)...)
}

// place is where the file of a table for the range of a block is.
func (d *Dataset) place(table string, number uint64) string {
	return d.path(table, fmt.Sprintf("first_block=%d", number-number%d.Size), table+".parquet")
}

// begin makes the folder.
func (d *Dataset) begin() error {
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "."+manifestName) { // one of a process that was killed
			return fmt.Errorf("the folder %s is not empty and has no %s: name another", d.folder, manifestName)
		}
	}
	return errors.Join(d.save(), toDisk(filepath.Dir(d.folder)))
}

// tidy removes what a process that was killed has left.
func (d *Dataset) tidy() error {
	folder := os.DirFS(d.folder) // whose name may be a pattern itself
	left, err := fs.Glob(folder, "*/first_block=*/.*.parquet.*.tmp")
	more, _ := fs.Glob(folder, "."+manifestName+".*.tmp") // fails only for a bad pattern
	for _, path := range append(left, more...) {
		err = errors.Join(err, os.Remove(d.path(path)))
	}
	return err
}

// save writes the manifest.
func (d *Dataset) save() error {
	text, err := json.MarshalIndent(d.manifest, "", "  ")
	if err != nil {
		return err
	}
	o, err := NewOutput(d.path(manifestName), true)
	if err != nil {
		return err
	}
	defer o.Abort()
	out, err := o.Open("")
	if err != nil {
		return err
	}
	if _, err := out.Write(append(text, '\n')); err != nil {
		return err
	}
	return o.Commit()
}

// Range gives the blocks that are there of the range of a number.
func (d *Dataset) Range(number uint64) (r Range, ok bool) {
	for _, r := range d.Ranges {
		if r.First/d.Size == number/d.Size {
			return r, true
		}
	}
	return Range{}, false
}

// has reports whether the range has the blocks from one to another.
func (r Range) has(first, last uint64) bool { return r.First <= first && last <= r.Last }

// write writes the blocks of a selection, which are of one range, in the place of
// those that are there of it.
func (d *Dataset) write(ctx context.Context, s *Selection) (r Range, err error) {
	if there, ok := d.Range(s.From); ok && there.First < s.From {
		return r, fmt.Errorf("blocks %d to %d are in the folder, but not in what would be written in their place: name another folder",
			there.First, s.From-1)
	}
	outputs := make([]*Output, len(Tables))
	outs := make([]io.Writer, len(Tables))
	for i, t := range Tables {
		path := d.place(t.Name, s.From)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return r, err
		}
		if outputs[i], err = NewOutput(path, true); err != nil {
			return r, err
		}
		defer outputs[i].Abort()
		if outs[i], err = outputs[i].Open(""); err != nil {
			return r, err
		}
	}
	r = Range{First: s.From, Last: s.To}
	if r.Parent, r.Hash, err = s.WriteParquet(ctx, outs); err != nil {
		return r, err
	}
	if err := d.fits(r); err != nil {
		return r, err
	}
	for i := range slices.Backward(Tables) { // the blocks last
		if err := outputs[i].Commit(); err != nil {
			return r, err
		}
		if err := errors.Join(toDisk(d.path(Tables[i].Name)), toDisk(d.folder)); err != nil { // the names of its folders
			return r, err
		}
	}
	d.Ranges = slices.DeleteFunc(d.Ranges, func(other Range) bool { return other.First/d.Size == r.First/d.Size })
	d.Ranges = append(d.Ranges, r)
	slices.SortFunc(d.Ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return r, d.save()
}

// fits checks that blocks are of one chain with those before and after them.
func (d *Dataset) fits(r Range) error {
	for _, other := range d.Ranges {
		if other.Last+1 == r.First && other.Hash != r.Parent || r.Last+1 == other.First && other.Parent != r.Hash {
			return fmt.Errorf("blocks %d to %d are of another chain than the blocks %d to %d that are in the folder", r.First, r.Last, other.First, other.Last)
		}
	}
	return nil
}

// displaced gives the ranges whose blocks the file's chain has left.
func (d *Dataset) displaced(ctx context.Context, r *store.Reader) (left []Range, err error) {
	for _, there := range slices.Backward(d.Ranges) {
		found, err := r.HashesBetween(ctx, there.Last, there.Last)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue // missing, pruned, or not there yet: fits will tell
		}
		if found[0].Hash == there.Hash {
			break // and so are all below
		}
		left = append(left, there)
	}
	return left, nil
}

// forget removes ranges.
func (d *Dataset) forget(ranges []Range) error {
	if len(ranges) == 0 {
		return nil
	}
	d.Ranges = slices.DeleteFunc(d.Ranges, func(r Range) bool { return slices.Contains(ranges, r) })
	err := d.save()
	for _, r := range ranges {
		for _, t := range slices.Backward(Tables) {
			err = errors.Join(err, os.RemoveAll(filepath.Dir(d.place(t.Name, r.First))))
		}
	}
	return err
}

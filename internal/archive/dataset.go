package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A Dataset is a folder of Parquet files, in ranges of so many blocks each that
// begin with multiples of that number:
//
//	DIR/transactions/first_block=20000/20000-29999-1a2b3c4d.parquet
//
// Engines that know Hive's folders take it for one table with a column
// first_block. A file never changes: its name has the blocks that it is of and
// the beginning of its SHA-256. What there is stands in DIR/gapless.json, the
// manifest, which is replaced in one rename. What is not finished yet is in
// DIR/.staging.
//
// One process at a time writes to it.
type Dataset struct {
	folder string
	disk   disk
	saved  []byte // the manifest as it is on the disk; nil if there is none
	manifest
}

// manifest is the content of gapless.json.
type manifest struct {
	Format  string      `json:"format"`
	ChainID uint64      `json:"chain_id"`
	Genesis common.Hash `json:"genesis"`
	Fork    *store.Tag  `json:"fork,omitempty"`
	Size    uint64      `json:"range"`  // blocks of a range
	Ranges  []Range     `json:"ranges"` // in order
}

// A Range is blocks that are in a dataset: all of a range, or those that the file
// had of it.
type Range struct {
	First     uint64      `json:"first_block"`
	Last      uint64      `json:"last_block"`
	Parent    common.Hash `json:"parent_hash"` // of the first
	FirstHash common.Hash `json:"first_hash"`
	Hash      common.Hash `json:"last_hash"`
	Files     []File      `json:"files"` // one for each table, in the order of Tables
}

// A File is a file of a range.
type File struct {
	Path   string `json:"path"` // in the folder, with slashes
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // as hex
}

// DefaultRange is how many blocks a range has.
const DefaultRange = 10_000

const (
	datasetFormat = "gapless-parquet/2"
	formatBefore  = "gapless-parquet/1"
	manifestName  = "gapless.json"
)

// OpenDataset opens the dataset of a chain in a folder, or one that begins where
// nothing or an empty folder is, which is not on the disk before its first
// range. A size of 0 is that of the folder, or [DefaultRange]. What a process that
// was killed has left is finished or removed.
func OpenDataset(folder string, id store.Identity, size uint64) (*Dataset, error) {
	return openDataset(osDisk{}, folder, id, size)
}

func openDataset(on disk, folder string, id store.Identity, size uint64) (*Dataset, error) {
	d, err := loadDataset(on, folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.manifest = manifest{datasetFormat, id.ChainID, id.Genesis, id.Fork, cmp.Or(size, DefaultRange), []Range{}}
		return d, d.mayBegin()
	case err != nil:
		return nil, err
	}
	if err := d.sameChain(id); err != nil {
		return nil, err
	}
	if size != 0 && size != d.Size {
		return nil, fmt.Errorf("the folder %s has ranges of %d blocks: begin another, or leave out --range", d.folder, d.Size)
	}
	return d, d.recover()
}

// loadDataset reads the manifest of a folder. If there is none the error is
// [fs.ErrNotExist], and the dataset has a folder only.
func loadDataset(on disk, folder string) (*Dataset, error) {
	folder, err := filepath.Abs(folder) // so that it has a parent
	if err != nil {
		return nil, err
	}
	d := &Dataset{folder: folder, disk: on}
	if d.saved, err = os.ReadFile(d.path(manifestName)); err != nil {
		return d, err
	}
	err = json.Unmarshal(d.saved, &d.manifest)
	switch {
	case err == nil && d.Format == formatBefore:
		return nil, fmt.Errorf("the folder %s was written by an older version of gapless, in another form: export anew into another folder", folder)
	case err != nil || d.Format != datasetFormat || d.Size == 0:
		return nil, fmt.Errorf("%s is not one that this version of gapless has written: name another folder", d.path(manifestName))
	}
	return d, nil
}

// sameChain refuses a file of another chain.
func (d *Dataset) sameChain(id store.Identity) error {
	if of := (store.Identity{ChainID: d.ChainID, Genesis: d.Genesis, Fork: d.Fork}); of.SameChain(id) {
		return nil
	}
	return fmt.Errorf("the folder %s has another chain: chain id %d and genesis %s, but the file has %d and %s: name another folder",
		d.folder, d.ChainID, d.Genesis, id.ChainID, id.Genesis)
}

// path is where a file is that has slashes in its name.
func (d *Dataset) path(parts ...string) string {
	return filepath.Join(d.folder, filepath.FromSlash(path.Join(parts...)))
}

// mayBegin refuses a folder that has something in it.
func (d *Dataset) mayBegin() error {
	entries, err := os.ReadDir(d.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != stagingName { // of a process that was killed
			return fmt.Errorf("the folder %s is not empty and has no %s: name another", d.folder, manifestName)
		}
	}
	return err
}

// save replaces the manifest by one with other ranges.
func (d *Dataset) save(ranges []Range) error {
	there, err := os.ReadFile(d.path(manifestName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(there, d.saved) {
		return fmt.Errorf("another process has written to the folder %s: let one do so at a time", d.folder)
	}
	m := d.manifest
	m.Ranges = ranges
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := writeFile(d.disk, d.path(stagingName, manifestName), text); err != nil {
		return err
	}
	if err := d.disk.Rename(d.path(stagingName, manifestName), d.path(manifestName)); err != nil {
		return err
	}
	d.saved, d.manifest = text, m
	return d.disk.Sync(d.folder)
}

// fits checks that ranges are apart, and that those that are neighbours are of
// one chain.
func fits(ranges []Range) error {
	for i, r := range ranges {
		if i == 0 {
			continue
		}
		below := ranges[i-1]
		switch {
		case r.First <= below.Last:
			return fmt.Errorf("blocks %s and %s are in the folder twice", below.span(), r.span())
		case r.First == below.Last+1 && r.Parent != below.Hash:
			return fmt.Errorf("blocks %s are of another chain than the blocks %s that are in the folder", r.span(), below.span())
		}
	}
	return nil
}

func (r Range) span() Span { return Span{r.First, r.Last} }

// file gives the range's file of a table.
func (r Range) file(table string) (File, error) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.table() == table })
	if i < 0 {
		return File{}, fmt.Errorf("%s names no file of %s for blocks %s", manifestName, table, r.span())
	}
	return r.Files[i], nil
}

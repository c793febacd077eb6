package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"gapless/internal/parquet"
	"gapless/internal/store"
)

// A DatasetCheck holds a folder's manifest, its files and the file of the chain
// against each other.
type DatasetCheck struct {
	Reader *store.Reader
	// Fault is called for each thing that is wrong.
	Fault func(what string)
	// Progress, if set, is called in between with the number of blocks done, and
	// of all.
	Progress func(done, total uint64)

	Ranges, Files int    // that the manifest names
	Blocks        uint64 // of the ranges
	Compared      uint64 // of them: in the file as well, and compared row by row
	Faults        int
}

// Check checks a folder. It fails if that is none of the file's chain, and calls
// Fault for all that is wrong with it.
func (c *DatasetCheck) Check(ctx context.Context, folder string) error {
	d, err := loadDataset(osDisk{}, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s has no %s: it is no export of Parquet", folder, manifestName)
	}
	if err != nil {
		return err
	}
	s, err := selectNothing(ctx, c.Reader)
	if err != nil {
		return err
	}
	if err := d.sameChain(s.Identity); err != nil {
		return err
	}
	if err := fits(d.Ranges); err != nil {
		c.fault("%s", err)
	}
	if err := c.unnamed(d); err != nil {
		return err
	}
	total := uint64(0)
	for _, r := range d.Ranges {
		total += r.Last - r.First + 1
	}
	c.Ranges = len(d.Ranges)
	for _, r := range d.Ranges {
		if c.files(d, r) {
			if err := c.rows(ctx, d, s, r); err != nil {
				return err
			}
		}
		if c.Blocks += r.Last - r.First + 1; c.Progress != nil {
			c.Progress(c.Blocks, total)
		}
	}
	return nil
}

func (c *DatasetCheck) fault(format string, args ...any) {
	c.Faults++
	c.Fault(fmt.Sprintf(format, args...))
}

// unnamed finds files with names of ours that the manifest doesn't name.
func (c *DatasetCheck) unnamed(d *Dataset) error {
	unknown, err := d.unnamed()
	for _, p := range unknown {
		c.fault("%s is not named by %s: the next export removes it", p, manifestName)
	}
	return err
}

// files compares the files of a range with the manifest, and reports whether they
// can be read.
func (c *DatasetCheck) files(d *Dataset, r Range) bool {
	before := c.Faults
	for _, t := range Tables {
		f, err := r.file(t.Name)
		if err == nil {
			c.Files++
			err = f.check(d.path(f.Path))
		}
		if err != nil {
			c.fault("%s", err)
		}
	}
	return c.Faults == before
}

// check compares a file with what the manifest says.
func (f File) check(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s, which %s names: %w", f.Path, manifestName, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, in)
	if err := errors.Join(err, in.Close()); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != f.Bytes || got != f.SHA256 {
		return fmt.Errorf("%s has %d bytes and the SHA-256 %s, but %s says %d and %s", f.Path, n, got, manifestName, f.Bytes, f.SHA256)
	}
	return nil
}

// rows compares the rows of a range with the blocks that the file has of it.
func (c *DatasetCheck) rows(ctx context.Context, d *Dataset, s *Selection, r Range) error {
	start, next, err := c.Reader.Bounds(ctx)
	if err != nil {
		return err
	}
	if r.Last >= next {
		c.fault("blocks %s are in the folder, but the file's last one is %d", r.span(), next-1)
	}
	first, end := max(r.First, start), min(r.Last+1, next)
	for first < end {
		gaps, err := missing(ctx, c.Reader, first, end-1, start, next)
		if err != nil {
			return err
		}
		last, after := end-1, end
		if len(gaps) > 0 {
			last, after = gaps[0].First-1, gaps[0].Last+1
		}
		if first <= last && (len(gaps) == 0 || gaps[0].First > first) {
			if err := c.compare(ctx, d, s.part(Span{first, last}), r); err != nil {
				return err
			}
			c.Compared += last - first + 1
		}
		first = after
	}
	return nil
}

// compare compares the rows of blocks that the file has too.
func (c *DatasetCheck) compare(ctx context.Context, d *Dataset, s *Selection, r Range) error {
	w := &parquetWriter{empty: true}
	for _, t := range Tables {
		f, err := r.file(t.Name)
		if err != nil {
			return err
		}
		in, err := parquet.Open(d.path(f.Path))
		if err != nil {
			c.fault("%s: %s", f.Path, err)
			return nil
		}
		defer in.Close() // only read
		p := &parquetTable{Table: t, fields: t.fields(), chain: s.Identity.ChainID}
		p.out = &rowComparer{path: f.Path, in: in, of: Span{s.From, s.To}, fields: p.fields}
		w.tables = append(w.tables, p)
	}
	err := w.add(ctx, s)
	if err == nil {
		_, err = w.close()
	}
	if other, ok := errors.AsType[*otherRowError](err); ok {
		c.fault("%s", other)
		return nil
	}
	return err
}

// An otherRowError says that a row of a file is not that of the database.
type otherRowError struct{ what string }

func (e *otherRowError) Error() string { return e.what }

// A rowComparer compares the rows that are written to it with those of a file.
type rowComparer struct {
	path   string
	in     *parquet.Reader
	of     Span // the blocks whose rows count
	fields []field
	row    parquet.Row // the present one of the file; nil before it is looked for
	space  []byte
	err    error
}

func (c *rowComparer) Null(i int) { c.same(i, c.at(i) && c.row[i].IsNull()) }

func (c *rowComparer) Int(i int, v int64) {
	c.same(i, c.at(i) && !c.row[i].IsNull() && c.row.Int(i) == v)
}

func (c *rowComparer) Float(i int, v float64) {
	c.same(i, c.at(i) && !c.row[i].IsNull() && c.row[i].Double() == v)
}

func (c *rowComparer) Bytes(i int, v []byte) {
	c.same(i, c.at(i) && bytes.Equal(c.row.Bytes(i), v))
}

func (c *rowComparer) Space(int) []byte { return c.space[:0] }

func (c *rowComparer) Text(i int, appended []byte) {
	if c.space = appended; len(appended) == 0 {
		c.Null(i)
	} else {
		c.Bytes(i, appended)
	}
}

// Copy is for rows of a folder, which are not compared.
func (c *rowComparer) Copy(parquet.Row) error { return errors.ErrUnsupported }

// at reports whether there is a row of the file with a column i.
func (c *rowComparer) at(i int) bool {
	if c.row == nil && c.err == nil {
		c.row, c.err = c.next()
	}
	return c.err == nil && i < len(c.row)
}

// next gives the next row of the blocks that count.
func (c *rowComparer) next() (parquet.Row, error) {
	for {
		row, err := c.in.Next()
		if errors.Is(err, io.EOF) {
			return nil, &otherRowError{fmt.Sprintf("%s ends before block %d does", c.path, c.of.Last)}
		}
		if err != nil {
			return nil, &otherRowError{fmt.Sprintf("%s: %s", c.path, err)}
		}
		if number := uint64(row.Int(0)); number >= c.of.First && number <= c.of.Last {
			return row, nil
		}
	}
}

func (c *rowComparer) same(i int, ok bool) {
	if !ok && c.err == nil {
		c.err = &otherRowError{fmt.Sprintf("%s: a row of block %d has another %s than the file", c.path, c.row.Int(0), c.fields[i].Name)}
	}
}

// EndRow goes on to the next row.
func (c *rowComparer) EndRow() error {
	c.row = nil
	return c.err
}

// Close looks whether there are more rows.
func (c *rowComparer) Close() error {
	if c.err != nil {
		return c.err
	}
	if row, err := c.next(); err == nil {
		return &otherRowError{fmt.Sprintf("%s has more rows of block %d than the file", c.path, row.Int(0))}
	}
	return nil
}

// unnamed gives the files with names of ours that the manifest doesn't name,
// those of the blocks first.
func (d *Dataset) unnamed() (unknown []string, err error) {
	known := make(map[string]bool)
	for _, f := range filesOf(d.Ranges) {
		known[f.Path] = true
	}
	for _, table := range namesOf(Tables) {
		found, err := fs.Glob(os.DirFS(d.folder), table+"/first_block=*/*.parquet")
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, slices.DeleteFunc(found, func(p string) bool { return known[p] || !datasetFile.MatchString(p) })...)
	}
	return unknown, nil
}

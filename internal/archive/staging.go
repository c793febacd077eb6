package archive

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	stdhash "hash"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// stagingName is the folder of what is not finished. Its name and those of its
// files are such that no engine takes them for data.
const stagingName = ".staging"

var (
	tableNames  = strings.Join(namesOf(Tables), "|")
	datasetFile = regexp.MustCompile(`^(` + tableNames + `)/first_block=\d+/\d+-\d+-[0-9a-f]{8}\.parquet$`)
	stagedFile  = regexp.MustCompile(`^((` + tableNames + `)(\.part|-\d+-\d+-[0-9a-f]{8})|` + regexp.QuoteMeta(manifestName) + `)$`)
)

func namesOf(tables []Table) (names []string) {
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return names
}

// table is the table that the file is of.
func (f File) table() string {
	table, _, _ := strings.Cut(f.Path, "/")
	return table
}

// staged is the file's path before it is finished.
func (f File) staged() string {
	return path.Join(stagingName, f.table()+"-"+strings.TrimSuffix(path.Base(f.Path), ".parquet"))
}

// A stagedTable is a file of a table that is being written.
type stagedTable struct {
	table string
	file  io.WriteCloser
	buf   *bufio.Writer
	sum   stdhash.Hash
	bytes int64
}

func (s *stagedTable) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.bytes += int64(len(p))
	return s.buf.Write(p)
}

// stage writes the files of a range that is made of parts, which follow on each
// other. If that fails, nothing of it stays.
func (d *Dataset) stage(ctx context.Context, s *Selection, parts []part) (r Range, err error) {
	_, unknown := os.Stat(d.folder)
	if err := d.disk.MkdirAll(d.path(stagingName)); err != nil {
		return r, err
	}
	tables := make([]*stagedTable, len(Tables))
	defer func() {
		if err != nil {
			d.abandon(tables, errors.Is(unknown, fs.ErrNotExist))
		}
	}()
	outs := make([]io.Writer, len(Tables))
	for i, t := range Tables {
		f, err := d.disk.Create(d.path(stagingName, t.Name+".part"))
		if err != nil {
			return r, err
		}
		tables[i] = &stagedTable{table: t.Name, file: f, buf: bufio.NewWriterSize(f, 256<<10), sum: sha256.New()}
		outs[i] = tables[i]
	}
	w := newParquetWriter(outs, s)
	if r, err = d.writeParts(ctx, w, s, parts); err != nil {
		return r, err
	}
	for i, t := range tables {
		f, err := d.finish(t, r)
		if err != nil {
			return r, err
		}
		f.Rows = w.tables[i].count
		r.Files = append(r.Files, f)
	}
	return r, d.disk.Sync(d.path(stagingName))
}

// finish gives a file that is written the name by which it is found.
func (d *Dataset) finish(t *stagedTable, r Range) (f File, err error) {
	err = errors.Join(t.buf.Flush(), t.file.Close())
	t.file = nil
	if err != nil {
		return f, err
	}
	f = File{Bytes: t.bytes, SHA256: hex.EncodeToString(t.sum.Sum(nil))}
	f.Path = path.Join(t.table, fmt.Sprintf("first_block=%d", r.First-r.First%d.Size),
		fmt.Sprintf("%d-%d-%s.parquet", r.First, r.Last, f.SHA256[:8]))
	return f, d.disk.Rename(d.path(stagingName, t.table+".part"), d.path(f.staged()))
}

// abandon removes what was written and is not used, as far as that is possible; fresh
// says that the folder was made for it.
func (d *Dataset) abandon(tables []*stagedTable, fresh bool) {
	for _, t := range tables {
		if t != nil && t.file != nil {
			_ = t.file.Close()
		}
	}
	_ = d.clearStaging()
	if fresh {
		_ = d.disk.Remove(d.folder)
	}
}

// commit puts ranges that are staged in the place of others. The manifest changes
// in one rename. What is only added is there before, so that whoever reads by the
// manifest finds every file that it names; where something is replaced, it is
// after, so that whoever reads the folders sees no block twice. Whatever ends the
// process in between, recover brings it to an end.
func (d *Dataset) commit(old, with []Range) error {
	ranges := slices.DeleteFunc(slices.Clone(d.Ranges), func(r Range) bool {
		return slices.ContainsFunc(old, func(o Range) bool { return o.First == r.First })
	})
	ranges = append(ranges, with...)
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	if err := fits(ranges); err != nil {
		return errors.Join(err, d.clearStaging())
	}
	if err := d.disk.MkdirAll(d.path(stagingName)); err != nil {
		return err
	}
	var err error
	if len(old) > 0 {
		err = d.replace(old, with, ranges)
	} else {
		err = d.add(with, ranges)
	}
	if err != nil {
		return err
	}
	return d.clearStaging()
}

func (d *Dataset) add(with, ranges []Range) error {
	if d.saved == nil { // so that what is left is known as ours
		if err := d.save(d.Ranges); err != nil {
			return err
		}
	}
	if err := d.place(filesOf(with)); err != nil {
		return err
	}
	return d.save(ranges)
}

func (d *Dataset) replace(old, with, ranges []Range) error {
	if err := d.save(ranges); err != nil {
		return err
	}
	stays := filesOf(with)
	gone := slices.DeleteFunc(filesOf(old), func(f File) bool { return slices.Contains(stays, f) })
	paths := make([]string, len(gone))
	for i, f := range gone {
		paths[i] = f.Path
	}
	if err := d.remove(paths); err != nil {
		return err
	}
	return d.place(stays)
}

// filesOf gives the files of ranges, those of the blocks first.
func filesOf(ranges []Range) (files []File) {
	for i := range Tables {
		for _, r := range ranges {
			files = append(files, r.Files[i])
		}
	}
	return files
}

// place gives staged files, in the order of filesOf, the names by which they are
// found: those of the blocks last.
func (d *Dataset) place(files []File) error {
	folders := make(map[string]bool)
	for _, f := range slices.Backward(files) {
		folder := path.Dir(f.Path)
		if !folders[folder] {
			if err := d.disk.MkdirAll(d.path(folder)); err != nil {
				return err
			}
			folders[folder], folders[path.Dir(folder)], folders["."] = true, true, true
		}
		if err := d.disk.Rename(d.path(f.staged()), d.path(f.Path)); err != nil {
			return err
		}
	}
	for folder := range folders {
		if err := d.disk.Sync(d.path(folder)); err != nil {
			return err
		}
	}
	return nil
}

// remove removes files in this order, and folders that are empty then.
func (d *Dataset) remove(paths []string) error {
	for _, p := range paths {
		if err := d.disk.Remove(d.path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, p := range paths {
		folder := d.path(path.Dir(p))
		if left, err := os.ReadDir(folder); err == nil && len(left) == 0 {
			if err := d.disk.Remove(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// recover ends what a process that was killed had begun: files that the manifest
// doesn't name go, and those that it names come. Nothing is removed but what has
// the name of a file of ours.
func (d *Dataset) recover() error {
	unknown, err := d.unnamed()
	if err != nil {
		return err
	}
	if err := d.remove(unknown); err != nil {
		return err
	}
	waiting := slices.DeleteFunc(filesOf(d.Ranges), func(f File) bool { return !exists(d.path(f.staged())) })
	if err := d.place(waiting); err != nil {
		return err
	}
	if err := d.clearStaging(); err != nil {
		return err
	}
	for _, f := range filesOf(d.Ranges) {
		if !exists(d.path(f.Path)) {
			return fmt.Errorf("%s is gone, but %s names it: bring it back, or export anew into another folder", d.path(f.Path), manifestName)
		}
	}
	return nil
}

// clearStaging removes what is left of ours in the folder of what is not finished,
// and the folder, if nothing else is in it.
func (d *Dataset) clearStaging() error {
	entries, err := os.ReadDir(d.path(stagingName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	foreign := false
	for _, e := range entries {
		if !stagedFile.MatchString(e.Name()) {
			foreign = true
		} else if err := d.disk.Remove(d.path(stagingName, e.Name())); err != nil {
			return err
		}
	}
	if foreign {
		return nil
	}
	return d.disk.Remove(d.path(stagingName))
}

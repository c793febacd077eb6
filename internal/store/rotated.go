package store

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"gapless/schema"
)

// rotatedKept is how many of the newest rotated files stay.
const rotatedKept = 3

// pruneRotated removes files put aside but the newest ones and the one with the
// most blocks, the newer one of two: a node that was reset again and again can't
// push out the file that took long to fill.
func pruneRotated(ctx context.Context, path string) error {
	rotated, err := rotatedFiles(path)
	if err != nil || len(rotated) <= rotatedKept {
		return err
	}
	most, largest := uint64(0), ""
	for _, file := range rotated {
		if n := countBlocks(ctx, file); n >= most {
			most, largest = n, file
		}
	}
	for _, file := range rotated[:len(rotated)-rotatedKept] {
		if file == largest {
			continue
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// rotatedFiles gives the paths of the files that were put aside for a file, the
// oldest first.
func rotatedFiles(path string) (files []string, err error) {
	base, ext := splitExt(path)
	ours := regexp.MustCompile("^" + regexp.QuoteMeta(filepath.Base(base)) + `-\d{8}T\d{6}\.\d{3}-[0-9a-f]{8}(-\d+)*` + regexp.QuoteMeta(ext) + "$")
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ours.MatchString(e.Name()) {
			files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(files) // by time
	return files, nil
}

// countBlocks gives the number of blocks that a file has stored, whatever its
// schema. It counts what is missing between the lowest and the highest, which is
// less to count. One that can't be read may have any number.
func countBlocks(ctx context.Context, path string) (count uint64) {
	r, err := openInPlace(ctx, path)
	if err != nil {
		return math.MaxUint64
	}
	defer r.Close()
	if _, err := r.version(ctx, schema.All()); err != nil {
		return math.MaxUint64
	}
	var lowest, highest, missing uint64
	err = r.db.QueryRowContext(ctx, `SELECT IFNULL((SELECT MIN(number) FROM blocks), 1), IFNULL((SELECT MAX(number) FROM blocks), 0)`).
		Scan(integer{&lowest}, integer{&highest})
	if err == nil && highest >= lowest {
		missing, err = r.CountMissing(ctx, lowest, highest)
	}
	if err != nil {
		return math.MaxUint64
	}
	return highest + 1 - lowest - missing
}

package archive_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	parquet "github.com/parquet-go/parquet-go"

	"gapless/internal/archive"
)

// A lake is what a reader that knows nothing of this program finds in a folder:
// of each table the rows of each block, in order.
type lake map[string]map[uint64][]string

// scanLake reads every file that an engine would that is given a table's folder.
func scanLake(t testing.TB, folder string) lake {
	t.Helper()
	all := make(lake)
	for _, table := range archive.Tables {
		all[table.Name] = make(map[uint64][]string)
		err := filepath.WalkDir(filepath.Join(folder, table.Name), func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil || d.IsDir():
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return all.add(table.Name, content)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// add adds the rows of a file. A block that has rows already is in two files.
func (l lake) add(table string, content []byte) error {
	rows, err := rowsOf(content)
	if err != nil {
		return err
	}
	for number, rows := range rows {
		if len(l[table][number]) > 0 {
			return fmt.Errorf("%s: block %d is in two files", table, number)
		}
		l[table][number] = rows
	}
	return nil
}

// readRows are the rows of files that were read before, by their SHA-256.
var readRows sync.Map // map[[32]byte]map[uint64][]string

// rowsOf gives the rows of a file, by block.
func rowsOf(content []byte) (map[uint64][]string, error) {
	sum := sha256.Sum256(content)
	if rows, ok := readRows.Load(sum); ok {
		return rows.(map[uint64][]string), nil
	}
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	all := make(map[uint64][]string)
	for _, group := range f.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 64)
		for err = nil; err == nil; {
			var n int
			n, err = rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				number := uint64(row[0].Int64())
				all[number] = append(all[number], fmt.Sprint(row))
			}
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	readRows.Store(sum, all)
	return all, nil
}

// block gives all rows of a block as one text, empty if there is none.
func (l lake) block(number uint64) string {
	if len(l["blocks"][number]) == 0 {
		return ""
	}
	var out strings.Builder
	for _, table := range archive.Tables {
		fmt.Fprintln(&out, table.Name, strings.Join(l[table.Name][number], "\n"))
	}
	return out.String()
}

// A listing is what the manifest of a lake says, as far as others rely on it.
type listing struct {
	Ranges []struct {
		First uint64 `json:"first_block"`
		Last  uint64 `json:"last_block"`
		Files []struct {
			Path   string
			Rows   int
			Bytes  int
			SHA256 string
		}
	}
}

// listLake reads the files that the manifest names, and says if all are where it
// says. Those that are not must be where the next export takes them from.
func listLake(t testing.TB, folder string) (found lake, placed bool) {
	t.Helper()
	found, placed = make(lake), true
	for _, table := range archive.Tables {
		found[table.Name] = make(map[uint64][]string)
	}
	var l listing
	text, err := os.ReadFile(filepath.Join(folder, "gapless.json"))
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return found, true
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.Ranges {
		for _, f := range r.Files {
			table, _, _ := strings.Cut(f.Path, "/")
			content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(f.Path)))
			if errors.Is(err, fs.ErrNotExist) {
				placed = false
				content, err = os.ReadFile(filepath.Join(folder, ".staging", table+"-"+strings.TrimSuffix(filepath.Base(f.Path), ".parquet")))
			}
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(content)
			if hex.EncodeToString(sum[:]) != f.SHA256 || len(content) != f.Bytes {
				t.Errorf("%s has other bytes than the manifest says", f.Path)
			}
			if err := found.add(table, content); err != nil {
				t.Error(err)
			}
			rows, _ := rowsOf(content)
			count := 0
			for _, of := range rows {
				count += len(of)
			}
			if count != f.Rows {
				t.Errorf("%s has %d rows, and the manifest says %d", f.Path, count, f.Rows)
			}
		}
		for number := r.First; number <= r.Last; number++ {
			if len(found["blocks"][number]) == 0 {
				t.Errorf("the manifest says that block %d is there", number)
			}
		}
	}
	return found, placed
}

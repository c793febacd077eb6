package archive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/indexer"
	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

var recording = testdata.Recording

// lines is the recorded chain as JSON lines.
func lines(t testing.TB) []byte {
	t.Helper()
	unzipped, err := gzip.NewReader(testdata.Chain())
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// asRLP gives blocks of the recorded chain and their receipts as RLP.
func asRLP(t testing.TB, raws []recorded.Block) (blocks, receipts []byte) {
	t.Helper()
	for i := range raws {
		b, err := raws[i].Decode()
		if err == nil {
			blocks, err = b.AppendRLP(blocks)
		}
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, receiptsRLP(t, b)...)
	}
	return blocks, receipts
}

// receiptsRLP is a list of the receipts as nodes exchange them.
func receiptsRLP(t testing.TB, b *chain.Block) []byte {
	t.Helper()
	list := make([]any, len(b.Transactions))
	for i := range b.Transactions {
		raw := b.AppendReceiptBinary(nil, i)
		if list[i] = raw; raw[0] >= 0xc0 {
			list[i] = rlp.RawValue(raw)
		}
	}
	encoded, err := rlp.EncodeToBytes(list)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, o archive.SourceOptions, paths ...string) *archive.Source {
	t.Helper()
	s, err := archive.OpenSource(t.Context(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// index stores all that a source has into a new file.
func index(t *testing.T, s *archive.Source) (*store.Store, error) {
	t.Helper()
	file, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "gapless.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		check(t, file.Reader)
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	id, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = file.Identify(t.Context(), store.Identity{ChainID: id.ChainID, Genesis: id.Genesis.Hash, Client: id.Client, Start: s.First()})
	if err != nil {
		t.Fatal(err)
	}
	last := s.Last()
	x := indexer.New(s, file, indexer.Options{Until: &last, Fixed: true, Level: chain.Auto,
		Delay: func(int) time.Duration { return 0 }, Failed: func(...*chain.Failure) {},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return file, x.Run(t.Context())
}

// check proves all promises of a file.
func check(t *testing.T, r *store.Reader) {
	t.Helper()
	_, err := store.Checker{Fault: func(f store.Fault) { t.Errorf("check: %s", f) }}.Check(context.WithoutCancel(t.Context()), r)
	if err != nil {
		t.Errorf("check: %v", err)
	}
}

// Every form holds the chain, and it comes out as the node gave it.
func TestForms(t *testing.T) {
	t.Parallel()
	plain := lines(t)
	var gz bytes.Buffer
	zipped := gzip.NewWriter(&gz)
	if _, err := zipped.Write(plain); err != nil || zipped.Close() != nil {
		t.Fatal(err)
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	blocks, receipts := asRLP(t, recording().Blocks)
	id := recording().ChainID
	for _, tt := range []struct {
		name     string
		content  []byte
		receipts []byte
	}{
		{"jsonl", plain, nil},
		{"gzip", gz.Bytes(), nil},
		{"zstd", packer.EncodeAll(plain, nil), nil},
		{"rlp", blocks, receipts},
		{"rlp, compressed", packer.EncodeAll(blocks, nil), packer.EncodeAll(receipts, nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o archive.SourceOptions
			if tt.receipts != nil {
				o.Receipts = []string{write(t, "receipts", tt.receipts)}
			}
			s := open(t, o, write(t, "archive", tt.content))
			if got, err := s.Identity(t.Context()); err != nil || got.ChainID != id || got.Genesis.Hash != recording().Blocks[0].Hash {
				t.Errorf("identity %+v, %v", got, err)
			}
			file, err := index(t, s)
			if err != nil {
				t.Fatal(err)
			}
			for i := range recording().Blocks {
				same(t, file.Reader, &recording().Blocks[i])
			}
		})
	}
}

// same compares a stored block with the node's answers.
func same(t *testing.T, r *store.Reader, raw *recorded.Block) {
	t.Helper()
	b, err := r.Block(t.Context(), raw.Number)
	if err != nil {
		t.Fatal(err)
	}
	want, err := raw.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want.AppendBlock(nil, true)), string(b.AppendBlock(nil, true))); diff != "" {
		t.Errorf("block %d (-node +file):\n%s", raw.Number, diff)
	}
	if diff := cmp.Diff(string(want.AppendReceipts(nil)), string(b.AppendReceipts(nil))); diff != "" {
		t.Errorf("receipts of block %d (-node +file):\n%s", raw.Number, diff)
	}
}

// era1Files are two archives of Sepolia that are in the module of go-ethereum.
func era1Files(t testing.TB) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ethereum/go-ethereum").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(strings.TrimSpace(string(dir)) + "/core/rawdb/eradb/testdata/*.era1")
	if err != nil || len(paths) != 2 {
		t.Fatalf("%d archives: %v", len(paths), err)
	}
	return paths
}

var sepoliaGenesis = common.HexToHash("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9")

// From the file, header, body and receipts of every block of real archives are
// given again to the byte, and the total difficulty is that of the chain.
func TestEra1(t *testing.T) {
	t.Parallel()
	for _, path := range era1Files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			sepolia, genesis := uint64(11155111), sepoliaGenesis
			s := open(t, archive.SourceOptions{ChainID: &sepolia, Genesis: &genesis}, path)
			file, err := index(t, s)
			if err != nil {
				t.Fatal(err)
			}
			if n := s.Last() + 1 - s.First(); n != 8192 {
				t.Errorf("%d blocks", n)
			}
			var before *chain.Block
			for number := s.First(); number <= s.Last(); number++ {
				b, err := file.Block(t.Context(), number)
				if err != nil {
					t.Fatal(err)
				}
				if b.Verdict.Passed&chain.QuickChecks != chain.QuickChecks || !b.Verdict.Verified() {
					t.Errorf("block %d: %+v", number, b.Verdict)
				}
				sameAsEra1(t, s, b)
				if before != nil && !new(uint256.Int).Add(before.TotalDifficulty, &b.Difficulty).Eq(b.TotalDifficulty) {
					t.Errorf("block %d: total difficulty %s", number, b.TotalDifficulty)
				}
				before = b
			}
		})
	}
}

func sameAsEra1(t *testing.T, s *archive.Source, b *chain.Block) {
	t.Helper()
	header, body, receipts, err := s.Era1Values(b.Number)
	if err != nil {
		t.Fatal(err)
	}
	inside, _, err := rlp.SplitList(body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.AppendRLP(nil)
	if err != nil {
		t.Fatal(err)
	}
	content, _, err := rlp.SplitList(got)
	if err != nil || !bytes.Equal(content, slices.Concat(header, inside)) {
		t.Errorf("block %d: other RLP, %v", b.Number, err)
	}
	if !bytes.Equal(receiptsRLP(t, b), receipts) {
		t.Errorf("block %d: other RLP of the receipts", b.Number)
	}
	if b.Size == nil || *b.Size != uint64(len(got)) {
		t.Errorf("block %d: the size is not %d", b.Number, len(got))
	}
}

// What is wrong is refused by its name, and nothing of it is stored.
func TestWrongBlocks(t *testing.T) {
	t.Parallel()
	plain := strings.SplitAfter(string(lines(t)), "\n")
	with := slices.IndexFunc(plain, func(line string) bool { return strings.Contains(line, "cumulativeGasUsed") })
	blocks, receipts := asRLP(t, recording().Blocks[:60])
	other, otherReceipts := asRLP(t, recording().Blocks[30:90])
	for _, tt := range []struct {
		name              string
		content, receipts []byte
		want              string
	}{
		{"a value", []byte(strings.Join(plain[:40], "") + strings.Replace(plain[40], `"gasUsed":"0x`, `"gasUsed":"0x7`, 1)), nil, "block 39 is refused: header hash is"},
		{"another receipt", []byte(strings.Join(plain[:with], "") + strings.Replace(plain[with], `"cumulativeGasUsed":"0x`, `"cumulativeGasUsed":"0x7`, 1)), nil, fmt.Sprintf("block %d is refused: ", with-1)},
		{"no receipts", []byte(strings.Join(plain[:40], "") + `{"block":` + string(recording().Blocks[39].Block) + "}\n"), nil, "block 39: receipts are null"},
		{"receipts of others", blocks, otherReceipts, "receipts"},
		{"blocks that do not follow", slices.Concat(blocks, other), slices.Concat(receipts, otherReceipts), "block 119: there is block 89 in its place"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o archive.SourceOptions
			if tt.receipts != nil {
				o.Receipts = []string{write(t, "receipts", tt.receipts)}
			}
			s, err := archive.OpenSource(t.Context(), []string{write(t, "archive", tt.content)}, o)
			if err == nil {
				defer s.Close()
				_, err = index(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// Files that are no archives, or no whole ones, say so.
func TestNotAnArchive(t *testing.T) {
	t.Parallel()
	era, err := os.ReadFile(era1Files(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	blocks, receipts := asRLP(t, recording().Blocks[:5])
	for _, tt := range []struct {
		name              string
		content, receipts []byte
		want              string
	}{
		{"empty", nil, nil, "neither JSON lines"},
		{"text", []byte("hello"), nil, "neither JSON lines"},
		{"JSON", []byte(`{"a":1}`), nil, "does not tell the chain id"},
		{"a newer form", []byte(`{"format":"gapless-jsonl/2","chainId":"0x1"}`), nil, "get a newer gapless"},
		{"no blocks", []byte(`{"format":"gapless-jsonl/1","chainId":"0x1"}`), nil, "none of the blocks"},
		{"half a line", []byte("{\"chainId\":\"0x1\"}\n{\"block\":{\"hash\":\"0x"), nil, "no number"},
		{"half an era1 file", era[:len(era)/2], nil, "the file ends inside"},
		{"an era1 file without its index", era[:len(era)-100_000], nil, "the file ends inside"},
		{"half a block", blocks[:len(blocks)-9], receipts, "the file ends inside"},
		{"a length of 4 GB", []byte{0xfb, 0xff, 0xff, 0xff, 0xff, 1}, receipts, "the file ends inside"},
		{"an entry of 4 GB", append(slices.Clone(era[:8]), 3, 0, 0xff, 0xff, 0xff, 0xff, 0, 0), nil, "the file ends inside"},
		{"without receipts", blocks, nil, "name a file of them with --receipts"},
		{"too few receipts", blocks, []byte{0xc0}, "5 blocks, but receipts has receipts of 1"},
		{"broken gzip", []byte{0x1f, 0x8b, 8, 0}, nil, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o archive.SourceOptions
			if tt.receipts != nil {
				o.Receipts = []string{write(t, "receipts", tt.receipts)}
			}
			_, err := archive.OpenSource(t.Context(), []string{write(t, "archive", tt.content)}, o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// Several archives are one chain, whatever their order and overlap; holes are
// blocks that the source does not have.
func TestSeveralArchives(t *testing.T) {
	t.Parallel()
	plain := strings.SplitAfter(string(lines(t)), "\n")
	part := func(from, to int) string {
		return write(t, fmt.Sprint("from", from), []byte(plain[0]+strings.Join(plain[1+from:1+to], "")))
	}
	s := open(t, archive.SourceOptions{}, part(50, 80), part(0, 30), part(20, 40))
	if s.First() != 0 || s.Last() != 79 || s.Has(45) || !s.Has(39) {
		t.Errorf("blocks %d to %d", s.First(), s.Last())
	}
	file, err := index(t, s)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := file.FailedFrom(t.Context(), 0, 100)
	if err != nil || len(rows) != 10 || rows[0].Number != 40 || rows[0].Class != chain.Pruned {
		t.Errorf("%d blocks are missing, %v", len(rows), err)
	}
	from, to := uint64(25), uint64(35)
	if s := open(t, archive.SourceOptions{From: &from, To: &to, Genesis: &recording().Blocks[0].Hash}, part(0, 60)); s.First() != 25 || s.Last() != 35 {
		t.Errorf("blocks %d to %d", s.First(), s.Last())
	}
	elsewhere := write(t, "other", []byte(`{"client":"x","chainId":"0x7"}`+"\n"+plain[1]))
	if _, err := archive.OpenSource(t.Context(), []string{part(0, 5), elsewhere}, archive.SourceOptions{}); err == nil ||
		!strings.Contains(err.Error(), "it is of chain id 7, not") {
		t.Errorf("error %v", err)
	}
}

// Without block 0, block 1 names the genesis; further up somebody must.
func TestUnknownChain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from int
		want error
	}{{1, nil}, {2, archive.ErrUnknownChain}} {
		blocks, receipts := asRLP(t, recording().Blocks[tt.from:200])
		o := archive.SourceOptions{Receipts: []string{write(t, "receipts", receipts)}}
		path := write(t, "archive", blocks)
		s, err := archive.OpenSource(t.Context(), []string{path}, o)
		if !errors.Is(err, tt.want) {
			t.Errorf("from %d: error %v, want %v", tt.from, err, tt.want)
		}
		if err != nil {
			o.Genesis = &recording().Blocks[0].Hash
			s = open(t, o, path)
		}
		if id, err := s.Identity(t.Context()); err != nil || id.ChainID != recording().ChainID || id.Genesis.Hash != recording().Blocks[0].Hash {
			t.Errorf("identity %+v, %v", id, err)
		}
	}
}

package archive_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"gapless/internal/archive"
)

// Whatever is in a file, importing it neither panics nor takes more memory than
// what the file is worth.

func FuzzLines(f *testing.F) {
	plain := bytes.SplitAfter(lines(f), []byte("\n"))
	for _, n := range []int{1, 2, 5, 40} {
		f.Add(bytes.Join(append(plain[:1:1], plain[n]), nil))
	}
	f.Add([]byte(`{"format":"gapless-jsonl/1","chainId":"0x1","fork":{"number":"0x1"}}` + "\n" + `{"block":{"number":"0xffffffffffffffff"}}`))
	f.Fuzz(func(t *testing.T, content []byte) { readAll(t, "jsonl", content, nil) })
}

func FuzzEra1(f *testing.F) {
	path := era1Files(f)[1]
	archived, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(archived[:20_000])
	if n, err := archive.ReadAll(f.Context(), "era1", oneBlock(archived), nil); n != 1 || err != nil {
		f.Fatalf("%d blocks, %v", n, err)
	}
	f.Add(oneBlock(archived))
	f.Fuzz(func(t *testing.T, content []byte) { readAll(t, "era1", content, nil) })
}

// oneBlock makes an archive of the first block of another.
func oneBlock(archived []byte) []byte {
	end := 8
	for range 4 {
		end += 8 + int(binary.LittleEndian.Uint32(archived[end+2:]))
	}
	index := append([]byte{0x66, 0x32, 24, 0, 0, 0, 0, 0}, make([]byte, 24)...)
	index[8+16] = 1 // the count
	return append(archived[:end:end], index...)
}

func FuzzRLP(f *testing.F) {
	for _, n := range []int{0, 30, 300, 1121} {
		blocks, receipts := asRLP(f, recording().Blocks[n:n+2])
		f.Add(blocks, receipts)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{0xc0})
	f.Fuzz(func(t *testing.T, blocks, receipts []byte) { readAll(t, "rlp", blocks, receipts) })
}

func readAll(t *testing.T, form string, content, receipts []byte) {
	n, err := archive.ReadAll(t.Context(), form, content, receipts)
	if err == nil && n > len(content) {
		t.Errorf("%d blocks in %d bytes", n, len(content))
	}
}

package archive

import (
	"bytes"
	"context"
	"io"
	"slices"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// ReadAll opens an archive of a form from bytes and reads all of its blocks. It
// gives how many there are.
func ReadAll(ctx context.Context, form string, content, receipts []byte) (int, error) {
	f := &file{bytes.NewReader(content), int64(len(content)), form}
	var c container
	var err error
	switch form {
	case "era1":
		c, err = openEra1(ctx, f)
	case "jsonl":
		c, err = openLines(ctx, f)
	case "rlp":
		c, err = newRLP(ctx, f, &file{bytes.NewReader(receipts), int64(len(receipts)), "receipts"})
	}
	if err != nil {
		return 0, err
	}
	for i := range c.numbers() {
		if b, _, err := c.block(i); err == nil {
			chain.Verify(b, chain.QuickChecks)
		}
	}
	return len(c.numbers()), nil
}

// WriteParquet writes the rows of all tables, in the order of Tables and each to
// a writer of its own, and gives what is in them.
func (s *Selection) WriteParquet(ctx context.Context, outs []io.Writer) (Range, error) {
	w := newParquetWriter(outs, s)
	if err := w.add(ctx, s); err != nil {
		return Range{}, err
	}
	return w.close()
}

// A Disk is what a dataset changes its files through.
type Disk = disk

// OSDisk is the disk of this machine.
var OSDisk Disk = osDisk{}

// OpenDatasetOn opens a dataset that changes its files through a disk.
func OpenDatasetOn(on Disk, folder string, id store.Identity, size uint64) (*Dataset, error) {
	return openDataset(on, folder, id, size)
}

// Era1Values gives what an era1 archive holds of each block, decompressed: the
// header, the body and the receipts.
func (s *Source) Era1Values(number uint64) (header, body, receipts []byte, err error) {
	l, _ := s.find(number)
	a := l.in.(*era1)
	values, err := a.values(a.offsets[l.at], a.offsets[l.at+1])
	return values[era1Header], values[era1Body], slices.Clone(values[era1Receipts]), err
}

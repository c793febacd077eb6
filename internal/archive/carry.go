package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/parquet"
)

// A part is blocks that follow on each other, of the file or of the dataset.
type part struct {
	Span
	from *Range // of the dataset; nil for the file
}

// writeParts writes parts, and gives what is in them.
func (d *Dataset) writeParts(ctx context.Context, w *parquetWriter, s *Selection, parts []part) (r Range, err error) {
	for _, p := range parts {
		if p.from != nil {
			err = d.carry(ctx, w, *p.from, p.Span)
		} else {
			of := s.part(p.Span)
			err = w.add(ctx, of)
		}
		if err != nil {
			return r, err
		}
	}
	return w.close()
}

// part selects some of the blocks.
func (s *Selection) part(of Span) *Selection {
	p := *s
	p.From, p.To = of.First, of.Last
	if s.Progress != nil {
		p.Progress = func(done uint64) { s.Progress(max(of.First+done, s.From) - s.From) }
	}
	return &p
}

// carry writes blocks again that are in the dataset and not in the file.
func (d *Dataset) carry(ctx context.Context, w *parquetWriter, r Range, of Span) error {
	for i, t := range w.tables {
		err := d.eachRow(ctx, r, t.Name, func(row parquet.Row) error {
			if number := uint64(row.Int(0)); number < of.First || number > of.Last {
				return nil
			}
			if i == 0 {
				hash, parent, err := t.links(row)
				if err != nil {
					return err
				}
				if err := w.next(uint64(row.Int(0)), hash, parent); err != nil {
					return err
				}
			}
			if err := t.out.Copy(row); err != nil {
				return err
			}
			t.endRow()
			return t.err
		})
		if err != nil {
			return err
		}
	}
	if w.done.Last != of.Last {
		return fmt.Errorf("the folder lacks blocks up to %d, which %s names", of.Last, manifestName)
	}
	return nil
}

// links gives the hashes that a row of blocks has.
func (p *parquetTable) links(row parquet.Row) (hash, parent common.Hash, err error) {
	for i, f := range p.fields {
		switch f.Name {
		case "hash":
			err = errors.Join(err, hash.UnmarshalText(row.Bytes(i)))
		case "parent_hash":
			err = errors.Join(err, parent.UnmarshalText(row.Bytes(i)))
		}
	}
	return hash, parent, err
}

// eachRow calls fn with each row of a table of a range, in order. A row is good
// until fn returns.
func (d *Dataset) eachRow(ctx context.Context, r Range, table string, fn func(parquet.Row) error) error {
	f, err := r.file(table)
	if err != nil {
		return err
	}
	in, err := parquet.Open(d.path(f.Path))
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	for err == nil && ctx.Err() == nil {
		var row parquet.Row
		if row, err = in.Next(); err == nil {
			err = fn(row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return errors.Join(err, in.Close())
}

// hashes gives number and hash of the blocks of a range.
func (d *Dataset) hashes(ctx context.Context, r Range) (map[uint64]common.Hash, error) {
	all := make(map[uint64]common.Hash)
	t := &parquetTable{Table: Tables[0], fields: Tables[0].fields()}
	err := d.eachRow(ctx, r, t.Name, func(row parquet.Row) (err error) {
		all[uint64(row.Int(0))], _, err = t.links(row)
		return err
	})
	return all, err
}

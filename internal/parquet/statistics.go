package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// statistics is what lets a reader pass over the row group: how many rows have no
// value, and the smallest and largest value. Long texts have none.
func (c *column) statistics() format.Statistics {
	values := len(c.ints) + len(c.floats) + len(c.ends)
	s := format.Statistics{NullCount: int64(len(c.levels) - values)}
	switch {
	case values == 0:
	case c.Kind == Integer || c.Kind == Time:
		s.MinValue = binary.LittleEndian.AppendUint64(nil, uint64(slices.Min(c.ints)))
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(slices.Max(c.ints)))
	case c.Kind == Double:
		s.MinValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(slices.Min(c.floats)))
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(slices.Max(c.floats)))
	default:
		s.MinValue, s.MaxValue = c.extremes()
	}
	return s
}

// extremes are the first and the last text or decimal in the order of bytes,
// which is theirs; nil if one is long.
func (c *column) extremes() (smallest, largest []byte) {
	smallest, largest = c.at(0), c.at(0)
	for i := range c.ends {
		switch v := c.at(i); {
		case len(v) > longest:
			return nil, nil
		case bytes.Compare(v, smallest) < 0:
			smallest = v
		case bytes.Compare(v, largest) > 0:
			largest = v
		}
	}
	return bytes.Clone(smallest), bytes.Clone(largest)
}

package parquet

import (
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A Kind is the type of a column's values, of which each may be absent.
type Kind int

const (
	Integer Kind = iota // INT64
	Time                // INT64, TIMESTAMP in microseconds, UTC
	Double              // DOUBLE
	Text                // BYTE_ARRAY, UTF-8
	Decimal             // FIXED_LEN_BYTE_ARRAY(16), DECIMAL(38, 0): the widest that all engines have
)

// A Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
	// Distinct says that hardly a value comes twice, so that no dictionary is tried.
	Distinct bool
}

const decimalBytes, decimalDigits = 16, 38

// schemaOf is the schema as the footer has it: the root, then the columns.
func schemaOf(columns []Column) []format.SchemaElement {
	all := []format.SchemaElement{{Name: "row", NumChildren: some(int32(len(columns)))}}
	for _, c := range columns {
		e := format.SchemaElement{Name: c.Name, Type: some(c.Kind.physical()), RepetitionType: some(format.Optional)}
		switch c.Kind {
		case Time:
			unit := format.TimeUnit{Value: &format.MicroSeconds{}}
			e.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true, Unit: unit}
			e.ConvertedType = some(deprecated.TimestampMicros)
		case Text:
			e.LogicalType.Value = &format.StringType{}
			e.ConvertedType = some(deprecated.UTF8)
		case Decimal:
			e.TypeLength, e.Precision, e.Scale = some(int32(decimalBytes)), some(int32(decimalDigits)), some(int32(0))
			e.LogicalType.Value = &format.DecimalType{Precision: decimalDigits}
			e.ConvertedType = some(deprecated.Decimal)
		}
		all = append(all, e)
	}
	return all
}

func (k Kind) physical() format.Type {
	switch k {
	case Double:
		return format.Double
	case Text:
		return format.ByteArray
	case Decimal:
		return format.FixedLenByteArray
	}
	return format.Int64
}

func some[T any](v T) thrift.Null[T] { return thrift.New(v) }

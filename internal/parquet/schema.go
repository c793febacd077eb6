package parquet

import (
	"github.com/parquet-go/parquet-go"
)

// A Kind is the type of a column's values.
type Kind int

const (
	Integer Kind = iota // INT64
	Time                // INT64, TIMESTAMP in microseconds, UTC
	Double              // DOUBLE
	Text                // BYTE_ARRAY, UTF-8
	Decimal             // FIXED_LEN_BYTE_ARRAY(16), DECIMAL(38, 0): the widest that all engines have
	Limb                // FIXED_LEN_BYTE_ARRAY(11), DECIMAL(26, 0): a third of a quantity of 256 bits
)

// A Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
	// Required says that every row has a value.
	Required bool
	// Distinct says that hardly a value comes twice, so that a dictionary of them
	// would only be in the way.
	Distinct bool
	// Sought says that rows are looked for by a value of the column, so that each
	// row group gets a bloom filter of its values.
	Sought bool
	// Long says that values may be, so that no smallest and largest one is kept.
	Long bool
}

// What decimals have.
const (
	DecimalBytes, decimalDigits = 16, 38
	LimbBytes, limbDigits       = 11, 26
)

// node is the column in the schema. The encodings are those that every reader has:
// plain, and dictionaries.
func (c Column) node() parquet.Node {
	n := c.Kind.node()
	if c.Distinct {
		n = parquet.Encoded(n, &parquet.Plain)
	} else {
		n = parquet.Encoded(n, &parquet.RLEDictionary)
	}
	if c.Required {
		return parquet.Required(n)
	}
	return parquet.Optional(n)
}

func (k Kind) node() parquet.Node {
	switch k {
	case Time:
		return parquet.Timestamp(parquet.Microsecond)
	case Double:
		return parquet.Leaf(parquet.DoubleType)
	case Text:
		return parquet.String()
	case Decimal:
		return parquet.Decimal(0, decimalDigits, parquet.FixedLenByteArrayType(DecimalBytes))
	case Limb:
		return parquet.Decimal(0, limbDigits, parquet.FixedLenByteArrayType(LimbBytes))
	}
	return parquet.Leaf(parquet.Int64Type)
}

// A table is the root of a schema, with its columns in their order; a
// [parquet.Group] alone would sort them.
type table struct {
	parquet.Group
	fields []parquet.Field
}

func (t table) Fields() []parquet.Field { return t.fields }

func schemaOf(columns []Column) *parquet.Schema {
	t := table{Group: make(parquet.Group)}
	for _, c := range columns {
		t.Group[c.Name] = c.node()
	}
	byName := make(map[string]parquet.Field)
	for _, f := range t.Group.Fields() {
		byName[f.Name()] = f
	}
	for _, c := range columns {
		t.fields = append(t.fields, byName[c.Name])
	}
	return parquet.NewSchema("row", t)
}

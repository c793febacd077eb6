package nodetest

import (
	"encoding/json"
	"maps"
	"slices"

	"gapless/internal/node/recorded"
)

// A Kind is a way in which a node fails.
type Kind int

// Kinds that change the answer to a call for the block.
const (
	RPCError       Kind = iota + 1 // an error with Code and Message
	NullBlock                      // null for the block
	NullReceipts                   // null for its receipts
	EmptyReceipts                  // [] for its receipts
	WrongRoot                      // a receipts root that is not that of the receipts
	WrongReceipts                  // the outcome of a transaction is another one; the block's root stays
	WrongHash                      // another hash, in the block and its receipts
	RaceReceipts                   // receipts of another block
	NoAnswer                       // a batch is answered without this call, the call alone by nothing
	FlippedDigit                   // one hex digit of one value is another one
	MissingField                   // a field that every node gives is not there
	DuplicateField                 // a field is there twice, the second time with another value
	WrongID                        // the answer has an id that nobody used
	SwappedResults                 // the result is that of another call in the batch
	EmptyResult                    // {} for the result
	WrongType                      // an object stands where a field has a text
	UnknownKeys                    // each object has a key that nobody knows, and one hex digit is another one, always the same
)

// Kinds that spoil the whole HTTP answer or WebSocket message.
const (
	TruncatedBody   Kind = iota + 100 // the connection ends inside the answer
	Hang                              // no answer until the request is given up
	HTML                              // a proxy's page, with status 200
	Status                            // HTTP status Code, with RetryAfter
	Reset                             // the connection ends before the answer
	TrailingGarbage                   // the answer, and then something else
	GarbledGzip                       // a body that says it is gzip, and is not
	SlowDrip                          // a byte of the answer every tenth of a second
	HugeBody                          // an answer that is said to take a terabyte
	EmptyBody                         // status 200 and nothing
	EmptyObject                       // {} for the answer
	EmptyArray                        // [] for the answer
	PlainText                         // the right answer as text/plain, which does no harm
)

var kindNames = map[Kind]string{
	RPCError: "RPC error", NullBlock: "null block", NullReceipts: "null receipts", EmptyReceipts: "empty receipts",
	WrongRoot: "wrong root", WrongReceipts: "wrong receipts", WrongHash: "wrong hash", RaceReceipts: "race", NoAnswer: "no answer",
	FlippedDigit: "flipped digit", MissingField: "missing field", DuplicateField: "duplicate field", WrongID: "wrong id",
	SwappedResults: "swapped results", EmptyResult: "empty result", WrongType: "wrong type", UnknownKeys: "unknown keys",
	TruncatedBody: "truncated body", Hang: "hang", HTML: "HTML", Status: "status", Reset: "reset",
	TrailingGarbage: "trailing garbage", GarbledGzip: "garbled gzip", SlowDrip: "slow drip", HugeBody: "huge body",
	EmptyBody: "empty body", EmptyObject: "empty object", EmptyArray: "empty array", PlainText: "plain text",
}

// String gives a name in words.
func (k Kind) String() string { return kindNames[k] }

// Kinds gives all kinds, in the order of their declaration.
func Kinds() []Kind { return slices.Sorted(maps.Keys(kindNames)) }

// A Fault is what goes wrong with the answers about a block. It is used once by
// each HTTP request that it spoils, however many of its calls are about the
// block.
type Fault struct {
	Kind       Kind
	Code       int    // of RPCError (0: -32000) and Status (0: 500)
	Message    string // of RPCError and Status
	RetryAfter string // header, with Status
	Seed       int    // which digit or field it is, together with Used
	Times      int    // uses until it is over; 0: never
	Used       int    // uses so far
}

func (f *Fault) over() bool { return f == nil || f.Times > 0 && f.Used >= f.Times }

// whole reports whether the fault spoils the whole answer.
func (f *Fault) whole() bool { return f.Kind >= TruncatedBody }

// fault gives the fault of a block that is not over, or nil.
func (n *Node) fault(number uint64) *Fault {
	f, ok := n.Faults[number]
	if !ok && n.FaultFunc != nil {
		f = n.FaultFunc(number)
	}
	if f.over() {
		return nil
	}
	return f
}

func (f *Fault) code(otherwise int) int {
	if f.Code == 0 {
		return otherwise
	}
	return f.Code
}

// spoil applies a fault to the answer about a block. It reports whether the
// fault is one for this method.
func (f *Fault) spoil(a *answer, method string, b *recorded.Block) bool {
	receipts := method == "eth_getBlockReceipts" || method == "eth_getTransactionReceipt"
	block := method == "eth_getBlockByNumber" || method == "eth_getBlockByHash"
	switch {
	case f.Kind == RPCError:
		message := f.Message
		if message == "" {
			message = "injected"
		}
		a.Error = &rpcError{f.code(-32000), message}
	case f.Kind == NoAnswer:
		a.dropped = true
	case f.Kind == WrongID:
		a.wrongID = true
	case f.Kind == SwappedResults:
		a.swapped = true
	case f.Kind == EmptyResult:
		a.Result = json.RawMessage("{}")
	case f.Kind == NullBlock && block, f.Kind == NullReceipts && receipts:
		a.Result = null
	case f.Kind == EmptyReceipts && method == "eth_getBlockReceipts":
		a.Result = json.RawMessage("[]")
	case f.Kind == WrongHash && (block || receipts), f.Kind == RaceReceipts && receipts:
		a.Result = rename(a.Result, b.Hash)
	case f.Kind == WrongRoot && block:
		a.Result = edit(a.Result, func(keys map[string]any) { keys["receiptsRoot"] = b.Parent })
	default:
		edit, ok := textual[f.Kind]
		if !ok || !receipts && (!block || f.Kind == WrongReceipts) {
			return false
		}
		before, which := a.Result, f.Seed+f.Used
		if f.Kind == UnknownKeys {
			which = f.Seed
		}
		a.Result = edit(before, which)
		return !slices.Equal(before, a.Result)
	}
	return true
}

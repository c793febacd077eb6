// Package chain holds the block as an Ethereum chain defines it: decoded from
// JSON-RPC, encoded again, and verified against the hashes that it carries. It
// does no input or output and imports nothing else of gapless.
//
// Fields follow the Ethereum execution-apis
// (https://ethereum.github.io/execution-apis/); what a node adds beyond them is
// kept as it came, in [Object].
package chain

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// An Object is what a node's JSON object had beside the values of its standard
// fields, so that the node's answer can be given again.
type Object struct {
	// Shape has a bit for each standard key whose presence differs from what
	// geth answers for the same values: zero for every object of a current
	// geth. Bit i is entry i of the object's field table.
	Shape uint64
	// Extra is a JSON object of all keys that the fields cannot give again:
	// unknown ones, and known ones in an unusual form. Nil if there are none.
	Extra json.RawMessage

	unknown  bool   // a key is not a standard one
	mismatch string // the key that contradicts the block around it, if any
	spoiled  string // the key whose value is none that it may have, if any
}

// Unknown reports whether the object had a key that this program does not
// know.
func (o *Object) Unknown() bool { return o.unknown }

// A Header is a block header or the header of an uncle. Pointers are nil where
// the block's fork has no such field.
type Header struct {
	Object
	Hash             common.Hash // as the node told; [Verify] recomputes it
	ParentHash       common.Hash
	UnclesHash       common.Hash // sha3Uncles
	Miner            common.Address
	StateRoot        common.Hash
	TransactionsRoot common.Hash
	ReceiptsRoot     common.Hash
	LogsBloom        Bloom
	Difficulty       uint256.Int
	Number           uint64
	GasLimit         uint64
	GasUsed          uint64
	Timestamp        uint64 // unix seconds
	ExtraData        []byte
	MixHash          common.Hash
	Nonce            [8]byte

	BaseFeePerGas         *uint256.Int // wei, EIP-1559
	WithdrawalsRoot       *common.Hash // EIP-4895
	BlobGasUsed           *uint64      // EIP-4844
	ExcessBlobGas         *uint64      // EIP-4844
	ParentBeaconBlockRoot *common.Hash // EIP-4788
	RequestsHash          *common.Hash // EIP-7685
	BlockAccessListHash   *common.Hash // EIP-7928
	SlotNumber            *uint64      // EIP-7843

	Size            *uint64      // bytes of the block's RLP; not part of the header
	TotalDifficulty *uint256.Int // not part of the header; newer nodes leave it out
}

// A Block is a whole block: header, transactions with their receipts and logs,
// withdrawals and uncle headers.
type Block struct {
	Header
	Transactions []Transaction
	UncleHashes  []common.Hash
	Uncles       []Header     // as many as UncleHashes once DecodeUncles was called
	Withdrawals  []Withdrawal // nil before EIP-4895, else perhaps empty
	Verdict      Verdict      // set by Verify
}

// A Transaction of any type, with its receipt. Known are types 0 to 4 and the
// deposits of the OP Stack; the fields of others are kept in Extra.
type Transaction struct {
	Object
	Hash                 common.Hash
	Type                 uint64
	From                 common.Address
	To                   *common.Address // nil for a contract creation
	Nonce                uint64
	Gas                  uint64 // limit
	GasPrice             *uint256.Int
	MaxFeePerGas         *uint256.Int // EIP-1559
	MaxPriorityFeePerGas *uint256.Int // EIP-1559
	MaxFeePerBlobGas     *uint256.Int // EIP-4844
	Value                uint256.Int  // wei
	Input                []byte
	ChainID              *uint256.Int
	AccessList           []AccessTuple   // EIP-2930; nil if the type has none
	BlobVersionedHashes  []common.Hash   // EIP-4844; nil if the type has none
	AuthorizationList    []Authorization // EIP-7702; nil if the type has none
	V, R, S              uint256.Int
	YParity              *uint64

	// Of deposits only, and in Extra.
	SourceHash            *common.Hash
	Mint                  *uint256.Int // wei; nothing tells nil from zero
	IsSystemTx            bool
	DepositReceiptVersion *uint64 // the receipt's, again

	Receipt Receipt
}

// An AccessTuple is an entry of an access list (EIP-2930).
type AccessTuple struct {
	Address     common.Address
	StorageKeys []common.Hash
}

// An Authorization is an entry of an authorization list (EIP-7702).
type Authorization struct {
	ChainID uint256.Int
	Address common.Address
	Nonce   uint64
	YParity uint64
	R, S    uint256.Int
}

// A Receipt tells what a transaction did. What it repeats of its transaction
// and block is not kept twice.
type Receipt struct {
	Object
	Status            *uint64      // 1 or 0; nil before Byzantium (EIP-658)
	Root              *common.Hash // state root; nil from Byzantium on
	CumulativeGasUsed uint64
	GasUsed           uint64
	ContractAddress   *common.Address // set on a creation, failed or not
	EffectiveGasPrice *uint256.Int
	BlobGasUsed       *uint64
	BlobGasPrice      *uint256.Int
	LogsBloom         *Bloom // nil if the node left it out
	Logs              []Log

	// Of deposits only, and in Extra.
	DepositNonce          *uint64 // from Regolith on
	DepositReceiptVersion *uint64 // from Canyon on
}

// A Log is an event of a contract.
type Log struct {
	Object
	Address common.Address
	Topics  []common.Hash // 0 to 4
	Data    []byte
}

// A Withdrawal moves ether from the consensus layer (EIP-4895).
type Withdrawal struct {
	Object
	Index          uint64
	ValidatorIndex uint64
	Address        common.Address
	Amount         uint64 // gwei
}

package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// Token standards of a [Transfer].
const (
	ERC20   = 20
	ERC721  = 721
	ERC1155 = 1155
)

// A Transfer is a movement of tokens that a log tells of. A batch gives one for
// each of its entries.
type Transfer struct {
	Token    common.Address
	Standard int // ERC20, ERC721 or ERC1155
	From, To common.Address
	TokenID  *uint256.Int // nil for ERC20
	Amount   uint256.Int  // 1 for ERC721
	Batch    int          // position in a batch, else 0
}

var (
	transferTopic       = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	transferSingleTopic = crypto.Keccak256Hash([]byte("TransferSingle(address,address,address,uint256,uint256)"))
	transferBatchTopic  = crypto.Keccak256Hash([]byte("TransferBatch(address,address,address,uint256[],uint256[])"))
)

// nativeAddress logs transfers of the chain's own coin in the form of ERC-20
// (EIP-7708). They are no token's.
var nativeAddress = common.HexToAddress("0xfffffffffffffffffffffffffffffffffffffffe")

// Transfers gives the token transfers that a log tells of by the events of
// ERC-20, ERC-721 and ERC-1155; none if it only looks like one of them.
func (g *Log) Transfers() []Transfer {
	if len(g.Topics) == 0 || g.Address == nativeAddress {
		return nil
	}
	switch g.Topics[0] {
	case transferTopic:
		return g.transfer()
	case transferSingleTopic:
		return g.transferSingle()
	case transferBatchTopic:
		return g.transferBatch()
	}
	return nil
}

// transfer tells ERC-721 from ERC-20, whose events have one signature, by the
// third indexed argument.
func (g *Log) transfer() []Transfer {
	switch {
	case len(g.Topics) == 3 && len(g.Data) == 32 && g.addresses(1, 2):
		t := Transfer{Token: g.Address, Standard: ERC20, From: g.topicAddress(1), To: g.topicAddress(2)}
		t.Amount.SetBytes(g.Data)
		return []Transfer{t}
	case len(g.Topics) == 4 && len(g.Data) == 0 && g.addresses(1, 2):
		id := new(uint256.Int).SetBytes(g.Topics[3][:])
		t := Transfer{Token: g.Address, Standard: ERC721, From: g.topicAddress(1), To: g.topicAddress(2), TokenID: id}
		t.Amount.SetOne()
		return []Transfer{t}
	}
	return nil
}

func (g *Log) transferSingle() []Transfer {
	if len(g.Topics) != 4 || len(g.Data) != 64 || !g.addresses(2, 3) {
		return nil
	}
	t := Transfer{Token: g.Address, Standard: ERC1155, From: g.topicAddress(2), To: g.topicAddress(3)}
	t.TokenID = new(uint256.Int).SetBytes(g.Data[:32])
	t.Amount.SetBytes(g.Data[32:])
	return []Transfer{t}
}

func (g *Log) transferBatch() []Transfer {
	if len(g.Topics) != 4 || !g.addresses(2, 3) {
		return nil
	}
	ids, ok := g.words(0)
	amounts, ok2 := g.words(1)
	if !ok || !ok2 || len(ids) != len(amounts) {
		return nil
	}
	transfers := make([]Transfer, len(ids)/32)
	for i := range transfers {
		t := &transfers[i]
		*t = Transfer{Token: g.Address, Standard: ERC1155, From: g.topicAddress(2), To: g.topicAddress(3), Batch: i}
		t.TokenID = new(uint256.Int).SetBytes(ids[32*i : 32*i+32])
		t.Amount.SetBytes(amounts[32*i : 32*i+32])
	}
	return transfers
}

// words gives the bytes of the dynamic uint256[] that argument i of the data
// points to (Solidity ABI specification, dynamic types).
func (g *Log) words(i int) ([]byte, bool) {
	offset, ok := word(g.Data, 32*i)
	if !ok {
		return nil, false
	}
	count, ok := word(g.Data, offset)
	if !ok || count > (len(g.Data)-offset-32)/32 {
		return nil, false
	}
	return g.Data[offset+32 : offset+32+32*count], true
}

// word reads a small number at a position in data.
func word(data []byte, at int) (int, bool) {
	if at < 0 || at+32 > len(data) {
		return 0, false
	}
	v := new(uint256.Int).SetBytes(data[at : at+32])
	if !v.LtUint64(uint64(len(data)) + 1) {
		return 0, false
	}
	return int(v.Uint64()), true
}

// addresses reports whether topics from i to j hold addresses.
func (g *Log) addresses(i, j int) bool {
	for _, topic := range g.Topics[i : j+1] {
		if [12]byte(topic[:12]) != [12]byte{} {
			return false
		}
	}
	return true
}

func (g *Log) topicAddress(i int) common.Address { return common.Address(g.Topics[i][12:]) }

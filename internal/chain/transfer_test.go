package chain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

var (
	token = common.HexToAddress("0x70")
	alice = common.HexToAddress("0xa1")
	bob   = common.HexToAddress("0xb0b")

	transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	singleTopic   = crypto.Keccak256Hash([]byte("TransferSingle(address,address,address,uint256,uint256)"))
	batchTopic    = crypto.Keccak256Hash([]byte("TransferBatch(address,address,address,uint256[],uint256[])"))
)

func topic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// words are 32 bytes each, as hex without leading zeros: "40 a0 2 1 2".
func words(hex string) []byte {
	var data []byte
	for word := range strings.FieldsSeq(hex) {
		data = append(data, common.FromHex(fmt.Sprintf("%064s", word))...)
	}
	return data
}

func erc1155(batch int, id, amount uint64) chain.Transfer {
	return chain.Transfer{Token: token, Standard: chain.ERC1155, From: alice, To: bob,
		TokenID: uint256.NewInt(id), Amount: *uint256.NewInt(amount), Batch: batch}
}

func TestTransfers(t *testing.T) {
	two := []common.Hash{topic(alice), topic(bob)}
	three := []common.Hash{topic(bob), topic(alice), topic(bob)} // with the operator
	dirty := common.Hash{1}
	most := strings.Repeat("f", 64)
	for _, tt := range []struct {
		name  string
		event common.Hash
		args  []common.Hash
		data  []byte
		want  []chain.Transfer
	}{
		{name: "erc20", event: transferTopic, args: two, data: words(most),
			want: []chain.Transfer{{Token: token, Standard: chain.ERC20, From: alice, To: bob, Amount: *new(uint256.Int).SetAllOne()}}},
		{name: "erc20 of nothing", event: transferTopic, args: two, data: words("0"),
			want: []chain.Transfer{{Token: token, Standard: chain.ERC20, From: alice, To: bob}}},
		{name: "erc20, short", event: transferTopic, args: two, data: words("1")[1:]},
		{name: "erc20, long", event: transferTopic, args: two, data: words("1 2")},
		{name: "erc20, nothing indexed", event: transferTopic, data: words("a1 b0b 1")},
		{name: "erc20, sender is no address", event: transferTopic, args: []common.Hash{dirty, topic(bob)}, data: words("1")},
		{name: "erc721", event: transferTopic, args: append(two[:2:2], common.Hash{31: 9}),
			want: []chain.Transfer{{Token: token, Standard: chain.ERC721, From: alice, To: bob, TokenID: uint256.NewInt(9), Amount: *uint256.NewInt(1)}}},
		{name: "erc721 with data", event: transferTopic, args: append(two[:2:2], dirty), data: words("1")},
		{name: "erc721, recipient is no address", event: transferTopic, args: []common.Hash{topic(alice), dirty, dirty}},
		{name: "single", event: singleTopic, args: three, data: words("7 8"), want: []chain.Transfer{erc1155(0, 7, 8)}},
		{name: "single, short", event: singleTopic, args: three, data: words("7")},
		{name: "single, two topics", event: singleTopic, args: two, data: words("7 8")},
		{name: "batch", event: batchTopic, args: three, data: words("40 a0 2 1 2 2 3 4"),
			want: []chain.Transfer{erc1155(0, 1, 3), erc1155(1, 2, 4)}},
		{name: "batch, amounts first", event: batchTopic, args: three, data: words("80 40 1 4 1 1"),
			want: []chain.Transfer{erc1155(0, 1, 4)}},
		{name: "batch of none", event: batchTopic, args: three, data: words("40 60 0 0"), want: []chain.Transfer{}},
		{name: "batch, both lists are one", event: batchTopic, args: three, data: words("40 40 2 5 6"),
			want: []chain.Transfer{erc1155(0, 5, 5), erc1155(1, 6, 6)}},
		{name: "batch, lists overlap their offsets", event: batchTopic, args: three, data: words("0 0"), want: []chain.Transfer{}},
		{name: "batch, unequal lists", event: batchTopic, args: three, data: words("40 a0 2 1 2 1 3")},
		{name: "batch, offset past the end", event: batchTopic, args: three, data: words("40 1000 1 1")},
		{name: "batch, offset at the end", event: batchTopic, args: three, data: words("40 80 1 1")},
		{name: "batch, huge offset", event: batchTopic, args: three, data: words("40 7fffffffffffffe0 1 1")},
		{name: "batch, offset past 64 bits", event: batchTopic, args: three, data: words("40 " + most + " 1 1")},
		{name: "batch, offset that wraps to 40", event: batchTopic, args: three, data: words("40 10000000000000040 1 1")},
		{name: "batch, huge count", event: batchTopic, args: three, data: words("40 60 7fffffffffffffff 1")},
		{name: "batch, count past 64 bits", event: batchTopic, args: three, data: words("40 40 " + most)},
		{name: "batch, count that wraps to 1", event: batchTopic, args: three, data: words("40 40 10000000000000001 1")},
		{name: "batch, count past the end", event: batchTopic, args: three, data: words("40 80 1 1 2 3")},
		{name: "batch, no data", event: batchTopic, args: three},
		{name: "batch, cut", event: batchTopic, args: three, data: words("40 a0 2 1 2 2 3 4")[:255]},
		{name: "another event", event: crypto.Keccak256Hash([]byte("Approval(address,address,uint256)")), args: two, data: words("1")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := chain.Log{Address: token, Topics: append([]common.Hash{tt.event}, tt.args...), Data: tt.data}
			if diff := cmp.Diff(tt.want, log.Transfers()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := (&chain.Log{Address: token}).Transfers(); got != nil {
		t.Errorf("without topics: %v", got)
	}
	native := chain.Log{Address: common.HexToAddress("0xfffffffffffffffffffffffffffffffffffffffe"),
		Topics: append([]common.Hash{transferTopic}, two...), Data: words("1")}
	if got := native.Transfers(); got != nil {
		t.Errorf("of the chain's own coin: %v", got)
	}
}

package main

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	transferEvent  = "Transfer(address,address,uint256)"
	approvalEvent  = "Approval(address,address,uint256)"
	transferSingle = "TransferSingle(address,address,address,uint256,uint256)"
	transferBatch  = "TransferBatch(address,address,address,uint256[],uint256[])"
	approvalForAll = "ApprovalForAll(address,address,bool)"
)

// maxUint256 is the largest amount that a token transfer can tell of.
var maxUint256 = new(big.Int).Sub(new(big.Int).Lsh(common.Big1, 256), common.Big1)

// erc20Transfer is now and then a mint or a burn: from or to the zero address.
func erc20Transfer(seq int) call {
	from, to := holder(seq), holder(seq+1)
	switch seq % 7 {
	case 0:
		from = common.Address{}
	case 1:
		to = common.Address{}
	}
	amount := new(big.Int).Mul(big.NewInt(int64(seq)), big.NewInt(1e18))
	return call{to: &erc20Token, data: words(topic(transferEvent), from, to, amount)}
}

// erc20Odd emits what looks like a Transfer: of an amount of 2^256-1, of
// nothing, without data, with too much data, or without indexed addresses.
func erc20Odd(seq int) call {
	from, to := holder(seq), holder(seq+2)
	switch seq / kinds % 5 {
	case 0:
		return call{to: &erc20Token, data: words(topic(transferEvent), from, to, maxUint256)}
	case 1:
		return call{to: &erc20Token, data: words(topic(transferEvent), from, to, 0)}
	case 2:
		return call{to: &erc20Token, data: words(topic(transferEvent), from, to)}
	case 3:
		return call{to: &erc20Token, data: words(topic(transferEvent), from, to, 1, 2)}
	}
	return call{to: new(emitter(1)), data: words(topic(transferEvent), from, to, seq)}
}

func erc721Transfer(seq int) call {
	return call{to: &erc721Token, data: words(topic(transferEvent), holder(seq), holder(seq+3), seq)}
}

func approval(seq int) call {
	switch seq / kinds % 3 {
	case 0:
		return call{to: &erc20Token, data: words(topic(approvalEvent), holder(seq), holder(seq+1), maxUint256)}
	case 1:
		return call{to: &erc721Token, data: words(topic(approvalEvent), holder(seq), holder(seq+1), seq)}
	}
	return call{to: new(emitter(3)), data: words(topic(approvalForAll), holder(seq), holder(seq+1), 1)}
}

func erc1155Single(seq int) call {
	topics := words(topic(transferSingle), holder(seq+2), holder(seq), holder(seq+1))
	return call{to: &erc1155Token, data: append(topics, words(seq%9, seq)...)}
}

// erc1155Batch moves none to four kinds of tokens at once.
func erc1155Batch(seq int) call {
	n := seq / kinds % 5
	data := words(topic(transferBatch), holder(seq+2), holder(seq), holder(seq+1), 64, 96+32*n, n)
	for id := range n {
		data = append(data, words(id)...)
	}
	data = append(data, words(n)...)
	for id := range n {
		data = append(data, words(seq+id)...)
	}
	return call{to: &erc1155Token, data: data}
}

// logs emits a log of none to four topics.
func logs(seq int) call {
	n := seq / kinds % 5
	var data []byte
	for i := range n {
		data = append(data, words(seq+i)...)
	}
	return call{to: new(emitter(n)), data: append(data, "a log"...)}
}

// oddData emits data that is no text: NUL, invalid UTF-8, or much of both.
func oddData(seq int) call {
	data := [][]byte{
		{0},
		[]byte("nul\x00inside"),
		[]byte("caf\xc3\x28 \xff\xfe"),
		bytes.Repeat([]byte{0, 0xff, 0xc0, 0x80}, 200),
		[]byte("quote \" and \\ and \u2028"),
	}[seq/kinds%5]
	return call{to: new(emitter(0)), data: data}
}

// manyLogs emits logs of several contracts in one transaction.
func manyLogs(seq int) call {
	calls := []call{erc20Transfer(seq), erc721Transfer(seq), logs(seq), erc20Transfer(seq + 1), erc1155Single(seq)}
	return call{to: &caller, gas: 3 * defaultGas, data: callerInput(calls...)}
}

// topic returns the first topic of the event with that signature.
func topic(signature string) common.Hash {
	return crypto.Keccak256Hash([]byte(signature))
}

// words returns values as the ABI lays them out, 32 bytes each. A value is a
// hash, an address or a number.
func words(values ...any) []byte {
	var data []byte
	for _, v := range values {
		var word []byte
		switch v := v.(type) {
		case common.Hash:
			word = v.Bytes()
		case common.Address:
			word = v.Bytes()
		case *big.Int:
			word = v.Bytes()
		case int:
			word = big.NewInt(int64(v)).Bytes()
		default:
			panic(fmt.Sprintf("no word of a %T", v))
		}
		data = append(data, common.LeftPadBytes(word, 32)...)
	}
	return data
}

// noise returns a hash that looks random and is always the same for one text.
func noise(format string, args ...any) common.Hash {
	return crypto.Keccak256Hash(fmt.Appendf(nil, format, args...))
}

// plain returns a hash of that first byte that ends in n. It takes the place of
// noise where a block's hash would do nothing but make the files larger.
func plain(first byte, n uint64) common.Hash {
	h := common.BigToHash(new(big.Int).SetUint64(n))
	h[0] = first
	return h
}

// fill returns n bytes of noise.
func fill(n int, format string, args ...any) []byte {
	h := noise(format, args...)
	return bytes.Repeat(h[:], (n+31)/32)[:n]
}

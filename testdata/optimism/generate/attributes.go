package main

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// l1Origin is what an L2 block is told of L1.
type l1Origin struct {
	number, time, sequence uint64
	hash                   common.Hash
	baseFee, blobBaseFee   *big.Int
}

// originOf gives every third L2 block another L1 block.
func originOf(n uint64) l1Origin {
	number := 9_000_000 + n/3
	return l1Origin{
		number: number, time: 1_600_000_000 + 12*number, sequence: n % 3,
		hash:    crypto.Keccak256Hash([]byte("l1"), binary.BigEndian.AppendUint64(nil, number)),
		baseFee: big.NewInt(7_000_000_000 + int64(n)), blobBaseFee: big.NewInt(3 + int64(n)),
	}
}

var (
	batcher = crypto.Keccak256Hash([]byte("batcher"))

	overhead, scalar         = big.NewInt(188), big.NewInt(684_000)
	baseScalar, blobScalar   = uint32(5227), uint32(1_014_213)
	operatorScalar, constant = uint32(11), uint64(22)
	footprintScalar          = uint16(400)
)

// attributes is the deposit that every block begins with. The first block of a
// fork still has its parent's form.
func attributes(c *params.ChainConfig, n, time, parentTime uint64) *types.DepositTx {
	o := originOf(n)
	sequence := common.BigToHash(new(big.Int).SetUint64(o.sequence))
	tx := &types.DepositTx{
		SourceHash: sourceHash(1, crypto.Keccak256Hash(o.hash[:], sequence[:])),
		From:       depositor, To: &l1Block, Value: new(big.Int), Gas: 1_000_000,
	}
	if !c.IsRegolith(time) {
		tx.Gas, tx.IsSystemTransaction = 150_000_000, true
	}
	switch {
	case c.IsJovian(parentTime):
		tx.Data = binary.BigEndian.AppendUint16(packed("setL1BlockValuesJovian()", o, true), footprintScalar)
	case c.IsIsthmus(parentTime):
		tx.Data = packed("setL1BlockValuesIsthmus()", o, true)
	case c.IsEcotone(parentTime):
		tx.Data = packed("setL1BlockValuesEcotone()", o, false)
	default:
		tx.Data = bedrockAttributes(o)
	}
	return tx
}

func bedrockAttributes(o l1Origin) []byte {
	data := selector("setL1BlockValues(uint64,uint64,uint256,bytes32,uint64,bytes32,uint256,uint256)")
	for _, word := range []*big.Int{
		new(big.Int).SetUint64(o.number), new(big.Int).SetUint64(o.time), o.baseFee, o.hash.Big(),
		new(big.Int).SetUint64(o.sequence), batcher.Big(), overhead, scalar,
	} {
		data = append(data, common.BigToHash(word).Bytes()...)
	}
	return data
}

// packed is the form since Ecotone, with what Isthmus adds.
func packed(method string, o l1Origin, isthmus bool) []byte {
	data := selector(method)
	data = binary.BigEndian.AppendUint32(data, baseScalar)
	data = binary.BigEndian.AppendUint32(data, blobScalar)
	data = binary.BigEndian.AppendUint64(data, o.sequence)
	data = binary.BigEndian.AppendUint64(data, o.time)
	data = binary.BigEndian.AppendUint64(data, o.number)
	data = append(data, common.BigToHash(o.baseFee).Bytes()...)
	data = append(data, common.BigToHash(o.blobBaseFee).Bytes()...)
	data = append(data, o.hash[:]...)
	data = append(data, batcher[:]...)
	if isthmus {
		data = binary.BigEndian.AppendUint32(data, operatorScalar)
		data = binary.BigEndian.AppendUint64(data, constant)
	}
	return data
}

func selector(method string) []byte { return crypto.Keccak256([]byte(method))[:4] }

// sourceHash says where on L1 a deposit comes from.
func sourceHash(domain byte, source common.Hash) common.Hash {
	return crypto.Keccak256Hash(common.Hash{31: domain}.Bytes(), source[:])
}

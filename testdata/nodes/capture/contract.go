package main

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
)

// The functions of the one contract that every recording uses. It keeps no
// state: it emits what a token would, so that no compiler is needed.
const (
	transfer20    = "transfer(address,uint256)"                                        // ERC-20
	transfer721   = "transferFrom(address,address,uint256)"                            // ERC-721
	transfer1155  = "safeTransferFrom(address,address,uint256,uint256,bytes)"          // ERC-1155
	transfers1155 = "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)" // ERC-1155, of two
	allLogs       = "logs()"                                                           // with 0 to 4 topics
	reverts       = "reverts(uint256)"                                                 // after a log; gives its argument back
	invalid       = "invalid()"                                                        // burns all gas
	eventTransfer = "Transfer(address,address,uint256)"                                // of ERC-20 and ERC-721
	eventSingle   = "TransferSingle(address,address,address,uint256,uint256)"          // of ERC-1155
	eventBatch    = "TransferBatch(address,address,address,uint256[],uint256[])"       // of ERC-1155
)

// creation returns the contract's creation code, which mints as it is created.
func creation() []byte {
	body := runtime()
	build := func(offset int) code {
		return code{}.
			word(common.HexToHash("0xde0b6b3a7640000")).store(0).
			op(vm.CALLER).push(0).topic(eventTransfer).log(3, 32).
			push2(len(body)).push2(offset).push(0).op(vm.CODECOPY).
			push2(len(body)).push(0).op(vm.RETURN)
	}
	return append(build(len(build(0))), body...)
}

// runtime returns the contract's code: it looks at the selector and jumps.
// A call of anything else does nothing, so plain transfers succeed.
func runtime() []byte {
	functions := []struct {
		signature string
		body      code
	}{
		{transfer20, code{}.arg(1).store(0).arg(0).op(vm.CALLER).topic(eventTransfer).log(3, 32)},
		{transfer721, code{}.arg(2).arg(1).arg(0).topic(eventTransfer).log(4, 0)},
		{transfer1155, code{}.arg(2).store(0).arg(3).store(32).
			arg(1).arg(0).op(vm.CALLER).topic(eventSingle).log(4, 64)},
		{transfers1155, code{}.push(0x40).store(0).push(0xa0).store(32).
			push(6*32).push(4+0xa0).push(64).op(vm.CALLDATACOPY).
			arg(1).arg(0).op(vm.CALLER).topic(eventBatch).log(4, 8*32)},
		{allLogs, code{}.word(common.HexToHash("0x00ff00fe3c26223e0a")).store(0).
			log(0, 0).log(0, 32).
			push(1).log(1, 0).push(2).push(1).log(2, 5).push(3).push(2).push(1).log(3, 32).
			push(4).push(3).push(2).push(0).log(4, 64)},
		{reverts, code{}.log(0, 32).arg(0).store(0).push(32).push(0).op(vm.REVERT)},
		{invalid, code{}.op(vm.INVALID)},
	}

	const entry = 11 // bytes of one comparison
	c := code{}.push(0).op(vm.CALLDATALOAD).push(224).op(vm.SHR)
	var bodies code
	start := len(c) + entry*len(functions) + 1
	for _, f := range functions {
		c = c.op(vm.DUP1, vm.PUSH4).bytes(crypto.Keccak256([]byte(f.signature))[:4]).op(vm.EQ).
			push2(start + len(bodies)).op(vm.JUMPI)
		bodies = bodies.op(vm.JUMPDEST).bytes(f.body).op(vm.STOP)
	}
	return c.op(vm.STOP).bytes(bodies)
}

// input returns the data of a call.
func input(signature string, words ...common.Hash) []byte {
	data := crypto.Keccak256([]byte(signature))[:4]
	for _, w := range words {
		data = append(data, w[:]...)
	}
	return data
}

// word returns a number as a word of call data.
func word(n uint64) (w common.Hash) {
	binary.BigEndian.PutUint64(w[24:], n)
	return w
}

// address returns an address as a word of call data.
func address(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// code is EVM code; its methods append to it.
type code []byte

func (c code) bytes(b []byte) code { return append(c, b...) }

func (c code) op(ops ...vm.OpCode) code {
	for _, o := range ops {
		c = append(c, byte(o))
	}
	return c
}

func (c code) push(n byte) code        { return append(c, byte(vm.PUSH1), n) }
func (c code) push2(n int) code        { return append(c, byte(vm.PUSH2), byte(n>>8), byte(n)) }
func (c code) word(w common.Hash) code { return append(append(c, byte(vm.PUSH32)), w[:]...) }
func (c code) topic(event string) code { return c.word(crypto.Keccak256Hash([]byte(event))) }
func (c code) arg(i byte) code         { return c.push(4 + 32*i).op(vm.CALLDATALOAD) }
func (c code) store(at byte) code      { return c.push(at).op(vm.MSTORE) }
func (c code) log(topics, size int) code {
	return c.push2(size).push(0).op(vm.LOG0 + vm.OpCode(topics))
}

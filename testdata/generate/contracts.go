package main

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
)

// The contracts that genesis holds.
var (
	erc20Token      = named("erc-20 token")
	erc721Token     = named("erc-721 token")
	erc1155Token    = named("erc-1155 token")
	depositContract = named("deposit contract")
	caller          = named("caller") // calls others, as its input lists them
	reverter        = named("reverter")
	burner          = named("burner")  // uses up all gas
	payer           = named("payer")   // hands on what it is paid
	factory         = named("factory") // creates an empty contract
)

// emitter returns the address of the contract that emits logs of that many
// topics, without touching its storage.
func emitter(topics int) common.Address { return named("emitter %d", topics) }

// contracts returns the code of each contract of genesis. None uses an opcode
// that Frontier lacks, save the reverter's: there REVERT is invalid.
func contracts() map[common.Address][]byte {
	code := map[common.Address][]byte{
		erc20Token:      append(counterCode(), emitterCode(3)...),
		erc721Token:     append(counterCode(), emitterCode(4)...),
		erc1155Token:    append(counterCode(), emitterCode(4)...),
		depositContract: emitterCode(1),
		caller:          callerCode(),
		reverter:        reverterCode(),
		burner:          program.New().Op(vm.JUMPDEST).Push(0).Op(vm.JUMP).Bytes(),
		payer:           payerCode(),
		factory:         program.New().Push(0).Push(0).Push(0).Op(vm.CREATE, vm.POP, vm.STOP).Bytes(),
	}
	for topics := range 5 {
		code[emitter(topics)] = emitterCode(topics)
	}
	return code
}

// counterCode adds one to the first storage slot.
func counterCode() []byte {
	return program.New().
		Push(0).Op(vm.SLOAD).
		Push(1).Op(vm.ADD).
		Push(0).Op(vm.SSTORE).Bytes()
}

// emitterCode emits one log. The input is the topics, and then the data.
func emitterCode(topics int) []byte {
	p := program.New()
	for i := topics - 1; i >= 0; i-- {
		p.Push(32 * i).Op(vm.CALLDATALOAD)
	}
	// The size of the data stays on the stack, above the topics.
	p.Push(32*topics).Op(vm.CALLDATASIZE, vm.SUB)
	p.Op(vm.DUP1).Push(32 * topics).Push(0).Op(vm.CALLDATACOPY)
	return p.Push(0).Op(vm.LOG0+vm.OpCode(topics), vm.STOP).Bytes()
}

// reverterCode emits a log without topics, and then reverts with its input.
func reverterCode() []byte {
	return program.New().
		Push(0).Push(0).Op(vm.LOG0).
		Op(vm.CALLDATASIZE).Push(0).Push(0).Op(vm.CALLDATACOPY).
		Op(vm.CALLDATASIZE).Push(0).Op(vm.REVERT).Bytes()
}

// payerCode sends what it is paid to the address in its input.
func payerCode() []byte {
	return program.New().
		Push(0).Push(0).Push(0).Push(0).
		Op(vm.CALLVALUE).Push(0).Op(vm.CALLDATALOAD).
		Push(50_000).Op(vm.CALL, vm.POP, vm.STOP).Bytes()
}

// callerCode makes the calls that [callerInput] lists, and minds no failure.
// Without input it makes one, of the zero address, which does nothing.
func callerCode() []byte {
	p, loop := program.New().Push(0).Jumpdest()                                // stack: offset of a call in the input
	p.Op(vm.DUP1).Push(32).Op(vm.ADD, vm.CALLDATALOAD)                         // offset, size
	p.Op(vm.DUP1, vm.DUP3).Push(64).Op(vm.ADD).Push(0).Op(vm.CALLDATACOPY)     // input to memory
	p.Push(0).Push(0).Op(vm.DUP3).Push(0).Push(0).Op(vm.DUP7, vm.CALLDATALOAD) // what CALL takes
	p.Push(100_000).Op(vm.CALL, vm.POP)
	p.Op(vm.ADD).Push(64).Op(vm.ADD) // offset of the next call
	p.Op(vm.DUP1, vm.CALLDATASIZE, vm.GT).Push(loop).Op(vm.JUMPI)
	return p.Op(vm.STOP).Bytes()
}

// callerInput lists calls for the caller contract.
func callerInput(calls ...call) []byte {
	var input []byte
	for _, c := range calls {
		input = append(input, words(*c.to, len(c.data))...)
		input = append(input, c.data...)
	}
	return input
}

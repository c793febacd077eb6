package main

import (
	"github.com/ethereum/go-ethereum/common"
)

// Addresses that the OP Stack's specification gives.
var (
	depositor     = common.HexToAddress("0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001")
	feeVault      = common.HexToAddress("0x4200000000000000000000000000000000000011")
	l1Block       = common.HexToAddress("0x4200000000000000000000000000000000000015")
	messagePasser = common.HexToAddress("0x4200000000000000000000000000000000000016")
)

// Contracts of our own.
var (
	emitter  = common.HexToAddress("0xe000000000000000000000000000000000000001")
	reverter = common.HexToAddress("0xe000000000000000000000000000000000000002")
)

var (
	// l1BlockCode stands in for the L1Block predeploy: it stores the
	// attributes where op-geth reads them, and no others.
	l1BlockCode = common.FromHex("36610104146027" + "57" + // 8 words: as before Ecotone
		"60043560801c600355" + // both fee scalars, sequence number
		"602435600155" + // L1 base fee
		"604435600755" + // L1 blob base fee
		"60a43560a01c600855" + // operator fee
		"00" +
		"5b604435600155" + // L1 base fee
		"60c435600555" + // overhead
		"60e435600655" + // scalar
		"00")

	// messagePasserCode stands in for the L2ToL1MessagePasser predeploy: it
	// marks the first word of its input as sent.
	messagePasserCode = common.FromHex("60016000355500")

	// emitterCode logs its input with the first word and the caller as topics.
	emitterCode = common.FromHex("36600060003733600035366000a200")

	reverterCode = common.FromHex("60006000fd")

	// loggingInit logs a word and leaves an empty contract.
	loggingInit = common.FromHex("602a60005260206000a060006000f3")

	// failingInit reverts.
	failingInit = reverterCode
)

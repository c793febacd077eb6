package main

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// A call is what a transaction does, whatever its type.
type call struct {
	to    *common.Address // nil for a contract creation
	value *big.Int        // wei, nil for none
	data  []byte
	gas   uint64 // 0 for defaultGas
}

// defaultGas is enough for a call, as long as state is as cheap as it is
// before Amsterdam.
const defaultGas = 200_000

// An action returns the call of the seq-th transaction of the chain.
type action func(seq int) call

// kinds is how many actions there are at any fork. It is prime, so that in
// time each of them meets every sender and every type of transaction.
const kinds = 23

// actions lists what is done at any fork. An action that has variants takes
// the next whenever its turn comes again.
var actions = [kinds]action{
	transfer, zeroTransfer, hugeTransfer, selfTransfer, internalTransfer,
	create, createWithLog, createAndDestroy, createFails, createInside,
	erc20Transfer, erc20Transfer, erc20Odd, erc721Transfer, approval,
	erc1155Single, erc1155Batch,
	logs, oddData, manyLogs,
	reverts, runsOutOfGas, revertsInside,
}

// requests lists what asks the consensus layer for something (EIP-6110,
// EIP-7002, EIP-7251), from Prague on.
var requests = []action{depositRequest, withdrawalRequest, consolidationRequest}

// builderRequests lists what Amsterdam adds to requests (EIP-8282).
var builderRequests = []action{builderExitRequest}

// holder returns one of the accounts that are paid and hold tokens.
func holder(seq int) common.Address { return named("holder %d", seq%97) }

func transfer(seq int) call {
	return call{to: new(holder(seq)), value: big.NewInt(int64(seq) * params.GWei)}
}

func zeroTransfer(seq int) call {
	return call{to: new(holder(seq)), value: new(big.Int)}
}

// hugeTransfer pays more than 2^64 wei.
func hugeTransfer(seq int) call {
	value := new(big.Int).Lsh(common.Big1, 70)
	return call{to: new(holder(seq)), value: value.Add(value, big.NewInt(int64(seq)))}
}

func selfTransfer(seq int) call {
	return call{to: new(sender(seq % senders).address), value: common.Big1}
}

func internalTransfer(seq int) call {
	return call{to: &payer, value: big.NewInt(params.Ether), data: words(holder(seq + 1))}
}

func create(seq int) call {
	return call{data: program.New().ReturnViaCodeCopy(emitterCode(seq % 5)).Bytes()}
}

// createWithLog emits a log from the constructor, whose address is therefore
// that of the new contract.
func createWithLog(seq int) call {
	init := program.New().Push(seq).Push(0).Push(0).Op(vm.LOG1)
	return call{data: init.ReturnViaCodeCopy(counterCode()).Bytes()}
}

// createAndDestroy leaves no contract behind, and does not fail.
func createAndDestroy(int) call {
	return call{value: common.Big1, data: program.New().Op(vm.CALLER, vm.SELFDESTRUCT).Bytes()}
}

// createFails fails in one of four ways, though Frontier lets the last two
// pass: they are refused from Homestead and from London on.
func createFails(seq int) call {
	init := program.New()
	switch seq / kinds % 4 {
	case 0:
		init.Op(vm.INVALID)
	case 1:
		init.Push(0).Push(0).Op(vm.REVERT)
	case 2:
		init.Return(0, 20_000) // the gas does not suffice for so much code
	case 3:
		init.Push(0xef).Push(0).Op(vm.MSTORE8).Return(0, 1)
	}
	return call{data: init.Bytes()}
}

func createInside(int) call { return call{to: &factory} }

// reverts fails with a log that is taken back, and a reason as solidity
// gives it.
func reverts(seq int) call {
	reason := fmt.Sprintf("no, said %d", seq)
	data := append(crypto.Keccak256([]byte("Error(string)"))[:4], words(32, len(reason))...)
	data = append(data, common.RightPadBytes([]byte(reason), 32)...)
	return call{to: &reverter, data: data, gas: 60_000}
}

func runsOutOfGas(int) call { return call{to: &burner, gas: 90_000} }

// revertsInside succeeds, but only the second of its two calls does.
func revertsInside(seq int) call {
	token := erc20Transfer(seq)
	return call{to: &caller, gas: 2 * defaultGas, data: callerInput(call{to: &reverter}, token)}
}

// depositRequest emits a DepositEvent: five values of type bytes.
func depositRequest(seq int) call {
	data := words(topic("DepositEvent(bytes,bytes,bytes,bytes,bytes)"), 160, 256, 320, 384, 512)
	pubkey, signature := fill(48, "pubkey %d", seq), fill(96, "signature %d", seq)
	amount, index := []byte{0, 64, 89, 115, 7, 0, 0, 0}, []byte{byte(seq), byte(seq >> 8), 0, 0, 0, 0, 0, 0}
	for _, v := range [][]byte{pubkey, fill(32, "credentials"), amount, signature, index} {
		data = append(data, words(len(v))...)
		data = append(data, common.RightPadBytes(v, (len(v)+31)/32*32)...)
	}
	return call{to: &depositContract, data: data}
}

func withdrawalRequest(seq int) call {
	data := append(fill(48, "pubkey %d", seq), 0, 0, 0, 0, 0, 0, 0, byte(seq))
	return call{to: &params.WithdrawalQueueAddress, value: big.NewInt(100), data: data}
}

func consolidationRequest(seq int) call {
	data := append(fill(48, "pubkey %d", seq), fill(48, "pubkey %d", seq+1)...)
	return call{to: &params.ConsolidationQueueAddress, value: big.NewInt(100), data: data}
}

func builderExitRequest(seq int) call {
	return call{to: &params.BuilderExitAddress, value: big.NewInt(100), data: fill(48, "builder %d", seq)}
}

package jsonrpc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// A manner is how a client answers where clients differ: what is past the head,
// the wrong way round, pending, or unknown. A file is answered from in the manner
// of the client that it was recorded from; testdata/manners has the answers of
// the real ones.
type manner struct {
	client string // how web3_clientVersion begins

	// logs gives the range to look through; there are no logs if first is above
	// last.
	logs        func(r logRange, head uint64) (first, last uint64, err error)
	unknownLogs error                                // of an unknown block hash; nil: no logs
	pendingLogs bool                                 // in a range of logs, pending is latest
	newFilter   func(first, last, head uint64) error // checks the range of a filter; nil: any will do
	noFilter    error                                // an unknown filter; nil: null

	pendingIsLatest bool   // in all methods; else it is a block without transactions
	pendingReceipts answer // of that block

	transactionsOf func(number, head uint64) error // counts those of a block past the head; nil: null
	uncleOf        func(number, head uint64) error // gives an uncle of one; nil: null
	uncleOfUnknown error                           // an uncle of an unknown hash; nil: null
	uncleCount     func() (answer, error)          // of a block that is not there; nil: null

	feeCount    func(count uint64) (uint64, error) // of the blocks in a fee history; nil: as asked
	feesPast    func(last, head uint64) error      // a fee history that ends past the head; nil: it ends with it
	feesLatest  bool                               // in a fee history, pending is latest
	noBlobFees  bool                               // a fee history has none
	emptyReward bool                               // a fee history without percentiles has a list of no rewards

	// What is suggested to pay by default, in wei.
	tip      uint64 // 0: what follows from what was paid, and a gas price of that on top of the latest base fee; else on top of the next
	gasPrice uint64 // whatever the tip; 0: what follows from it

	coinbase *common.Address // nil: there is no such method
}

// gwei is 10^9 wei.
const gwei = 1_000_000_000

// A logRange is a range of logs as it was asked for, and as it is.
type logRange struct {
	from, to    rpc.BlockNumber
	first, last uint64
}

// manners are those that are known. The last is geth's, and that of all others.
var manners = []manner{{
	client: "anvil/",
	logs:   anvilLogs, unknownLogs: errUnknownBlock, pendingLogs: true, newFilter: anvilFilter, noFilter: errNoFilter,
	transactionsOf: anvilOutOfRange, uncleOf: anvilOutOfRange, uncleOfUnknown: errNoResource,
	uncleCount: func() (answer, error) { return nil, errNoResource },
	feeCount:   atLeastOne, feesLatest: true, emptyReward: true, tip: gwei,
	coinbase: new(common.Address),
}, {
	client: "HardhatNetwork/",
	logs:   hardhatLogs, unknownLogs: errNoSuchHash, pendingLogs: true,
	pendingReceipts: answer(`[]`),
	feeCount:        hardhatFeeCount, feesPast: hardhatFees, noBlobFees: true, tip: gwei,
	coinbase: &hardhatCoinbase,
}, {
	client: "Ganache/",
	logs:   ganacheLogs, pendingLogs: true, noFilter: ganacheError("filter not found"),
	pendingIsLatest: true,
	uncleCount:      func() (answer, error) { return answer(`"0x0"`), nil },
	feeCount:        atLeastOne, feesPast: ganacheFees, feesLatest: true, noBlobFees: true, tip: gwei, gasPrice: 2 * gwei,
	coinbase: new(common.Address),
}, {
	logs: gethLogs, unknownLogs: errUnknownBlock, newFilter: gethFilter, noFilter: errNoFilter,
	pendingReceipts: answer(`[]`),
	feesPast:        gethFees,
}}

var (
	errNoResource   = &Error{Code: -32001, Message: "Resource not found"}
	errNoSuchHash   = &Error{Code: codeParams, Message: "blockHash cannot be found"}
	hardhatCoinbase = common.HexToAddress("0xc014ba5ec014ba5ec014ba5ec014ba5ec014ba5e")
)

// ganacheError is an error of ganache, which has one code for nearly all.
func ganacheError(message string) error { return &Error{Code: -32700, Message: message} }

// manner is that of the client from which the file was recorded.
func (v *view) manner() (*manner, error) {
	client, err := v.Client()
	if err != nil {
		return nil, err
	}
	known := slices.IndexFunc(manners, func(m manner) bool { return strings.HasPrefix(client, m.client) })
	return &manners[known], nil // the last has no name, with which all begin
}

// gethLogs takes latest for a number above all others.
func gethLogs(r logRange, head uint64) (first, last uint64, err error) {
	switch {
	case r.first > r.last || r.from == rpc.LatestBlockNumber && r.to != rpc.LatestBlockNumber:
		return 0, 0, errRange
	case r.last > head:
		return 0, 0, errFuture
	}
	return r.first, r.last, nil
}

func anvilLogs(r logRange, head uint64) (first, last uint64, err error) {
	if r.first > head {
		return 0, 0, anvilOutOfRange(r.first, head)
	}
	return r.first, min(r.last, head), nil
}

func hardhatLogs(r logRange, head uint64) (first, last uint64, err error) {
	return r.first, min(r.last, head), nil
}

// ganacheLogs looks at the first block in any case.
func ganacheLogs(r logRange, head uint64) (first, last uint64, err error) {
	return r.first, min(max(r.first, r.last), head), nil
}

func gethFilter(first, last, _ uint64) error {
	if first > last {
		return errRange
	}
	return nil
}

func anvilFilter(first, _, head uint64) error {
	if first > head {
		return anvilOutOfRange(first, head)
	}
	return nil
}

func anvilOutOfRange(number, head uint64) error {
	return &Error{Code: codeParams, Message: fmt.Sprintf("BlockOutOfRangeError: block height is %d but requested was %d", head, number)}
}

func gethFees(last, head uint64) error {
	return serverf("request beyond head block: requested %d, head %d", last, head)
}

func hardhatFees(last, head uint64) error {
	return serverf("Received invalid block tag %d. Latest block number is %d", last, head)
}

func ganacheFees(_, _ uint64) error { return ganacheError("header not found") }

func atLeastOne(count uint64) (uint64, error) { return max(count, 1), nil }

func hardhatFeeCount(count uint64) (uint64, error) {
	switch {
	case count == 0:
		return 0, serverf("blockCount should be at least 1")
	case count > mostHistory:
		return 0, serverf("blockCount should be at most %d", mostHistory)
	}
	return count, nil
}

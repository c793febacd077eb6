package nodetest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/node/recorded"
)

var null = json.RawMessage("null")

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// An answer is one response. about is the block that it is about, if any.
type answer struct {
	Result  json.RawMessage
	Error   *rpcError
	dropped bool
	wrongID bool
	swapped bool // with the result of another call
	method  string
	about   *recorded.Block
}

// call answers one call, without faults.
func (n *Node) call(method string, params []json.RawMessage) answer {
	switch method {
	case "web3_clientVersion":
		return n.value(n.Client)
	case "eth_chainId":
		return n.value(hexutil.Uint64(n.Chain.ChainID))
	case "net_version":
		return n.value(strconv.FormatUint(n.Chain.ChainID, 10))
	case "eth_blockNumber":
		return n.value(hexutil.Uint64(n.Head))
	case "eth_syncing":
		return n.syncing()
	case "anvil_nodeInfo", "hardhat_metadata":
		return n.devnet(method)
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		return n.getBlock(params)
	case "eth_getBlockReceipts":
		return n.getReceipts(params)
	case "eth_getTransactionReceipt":
		return n.getReceipt(params)
	case "eth_getUncleByBlockHashAndIndex":
		return n.getUncle(params)
	}
	return fail(-32601, fmt.Sprintf("the method %s does not exist/is not available", method))
}

func (n *Node) value(v any) answer {
	raw, err := json.Marshal(v)
	if err != nil {
		return fail(-32603, err.Error())
	}
	return answer{Result: raw}
}

func (n *Node) syncing() answer {
	if n.Syncing == 0 {
		return n.value(false)
	}
	return n.value(map[string]any{"startingBlock": "0x0", "currentBlock": hexutil.Uint64(n.Head), "highestBlock": hexutil.Uint64(n.Syncing)})
}

func fail(code int, message string) answer {
	return answer{Error: &rpcError{code, message}}
}

func (n *Node) getBlock(params []json.RawMessage) answer {
	b, failure := n.named(params)
	if failure != nil {
		return answer{Error: failure}
	}
	var full bool
	if len(params) > 1 {
		_ = json.Unmarshal(params[1], &full)
	}
	switch {
	case b == nil:
		return answer{Result: null}
	case !full:
		return answer{Result: withHashes(b), about: b}
	}
	n.Asked[b.Number]++
	return answer{Result: b.Block, about: b}
}

func (n *Node) getReceipts(params []json.RawMessage) answer {
	if n.NoBlockReceipts != 0 {
		return fail(n.NoBlockReceipts, "the method eth_getBlockReceipts does not exist/is not available")
	}
	b, failure := n.named(params)
	switch {
	case failure != nil:
		return answer{Error: failure}
	case b == nil:
		return answer{Result: null}
	case b.Number < n.Receipted && b.Number > 0:
		return fail(4444, "pruned history unavailable")
	}
	return answer{Result: b.Receipts, about: b}
}

func (n *Node) getReceipt(params []json.RawMessage) answer {
	at, ok := n.indexed().receipts[hashParam(params)]
	b := n.block(at.number)
	if !ok || b == nil {
		return answer{Result: null}
	}
	return answer{Result: receiptAt(b, at.index), about: b}
}

func (n *Node) getUncle(params []json.RawMessage) answer {
	number, ok := n.indexed().blocks[hashParam(params)]
	b := n.block(number)
	var i hexutil.Uint64
	if len(params) > 1 {
		_ = json.Unmarshal(params[1], &i)
	}
	if !ok || b == nil || int(i) >= len(b.Uncles) {
		return answer{Result: null}
	}
	return answer{Result: b.Uncles[i], about: b}
}

func hashParam(params []json.RawMessage) (hash common.Hash) {
	if len(params) > 0 {
		_ = json.Unmarshal(params[0], &hash)
	}
	return hash
}

// named gives the block that the first parameter names, by number, hash, object
// or tag, or nil if the node does not have it.
func (n *Node) named(params []json.RawMessage) (*recorded.Block, *rpcError) {
	var name string
	if len(params) == 0 {
		return nil, &rpcError{-32602, "missing value for required argument 0"}
	}
	if err := json.Unmarshal(params[0], &name); err != nil {
		var object struct {
			BlockHash   string `json:"blockHash"`
			BlockNumber string `json:"blockNumber"`
		}
		if err := json.Unmarshal(params[0], &object); err != nil {
			return nil, &rpcError{-32602, err.Error()}
		}
		name = object.BlockHash + object.BlockNumber
	}
	if len(name) == 66 {
		number, ok := n.indexed().blocks[common.HexToHash(name)]
		if !ok {
			return nil, nil
		}
		return n.block(number), nil
	}
	return n.numbered(name)
}

// devnet answers what anvil and hardhat tell of themselves.
func (n *Node) devnet(method string) answer {
	anvil := strings.HasPrefix(n.Client, "anvil")
	var block, hash, network any
	if n.Fork != 0 {
		b := n.Chain.Block(n.Fork)
		block, hash = n.Fork, b.Hash
		network = map[string]any{"chainId": 1, "forkBlockNumber": block, "forkBlockHash": hash}
	}
	switch {
	case method == "anvil_nodeInfo" && anvil:
		return n.value(map[string]any{"currentBlockNumber": hexutil.Uint64(n.Head), "forkConfig": map[string]any{
			"forkUrl": n.ForkURL, "forkBlockNumber": block, "forkRetryBackoff": 1000,
		}})
	case method == "hardhat_metadata" && (strings.HasPrefix(n.Client, "Hardhat") || anvil && !n.NoMetadata):
		fields := map[string]any{"clientVersion": n.Client, "chainId": n.Chain.ChainID, "instanceId": n.InstanceID}
		if network != nil {
			fields["forkedNetwork"] = network
		}
		return n.value(fields)
	}
	return fail(-32601, "the method "+method+" does not exist/is not available")
}

func (n *Node) numbered(name string) (*recorded.Block, *rpcError) {
	switch name {
	case "latest", "pending":
		return n.block(n.Head), nil
	case "earliest":
		return n.block(0), nil
	case "finalized", "safe":
		if b, ok := n.Sworn[name]; ok {
			return b, nil
		}
		number, ok := n.Tags[name]
		if !ok {
			return nil, &rpcError{-32000, name + " block not found"}
		}
		return n.block(number), nil
	}
	number, err := hexutil.DecodeUint64(name)
	switch {
	case err != nil:
		return nil, &rpcError{-32602, "invalid argument 0: " + err.Error()}
	case number < n.Lowest && number > 0:
		return nil, &rpcError{4444, "pruned history unavailable"}
	}
	return n.block(number), nil
}

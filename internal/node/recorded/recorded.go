// Package recorded reads a recording of a chain: gzip of JSON lines, the first
// of which names the node and the chain,
//
//	{"client":"Geth/…","chainId":"0x…"}
//
// and each further one holds a block, in order, as the node answered for it:
//
//	{"block":{…},"receipts":[…],"uncles":[…]}
package recorded

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// A Chain is blocks of one chain, with consecutive numbers.
type Chain struct {
	ChainID uint64
	Client  string // web3_clientVersion of the node that was recorded
	Blocks  []Block
}

// A Block is a node's raw answers for one block.
type Block struct {
	Number   uint64
	Hash     common.Hash
	Parent   common.Hash
	Block    json.RawMessage   // eth_getBlockByNumber, with full transactions
	Receipts json.RawMessage   // eth_getBlockReceipts
	Uncles   []json.RawMessage // eth_getUncleByBlockHashAndIndex, one each
}

// Block gives the block of a number, or nil if the chain does not have it.
func (c *Chain) Block(number uint64) *Block {
	if len(c.Blocks) == 0 || number < c.Blocks[0].Number {
		return nil
	}
	if i := number - c.Blocks[0].Number; i < uint64(len(c.Blocks)) {
		return &c.Blocks[i]
	}
	return nil
}

// Last is the number of the last block, or 0 if there is none.
func (c *Chain) Last() uint64 {
	if len(c.Blocks) == 0 {
		return 0
	}
	return c.Blocks[len(c.Blocks)-1].Number
}

// NewBlock makes a block of its raw answers, whose names it reads from the
// first of them.
func NewBlock(block, receipts json.RawMessage, uncles []json.RawMessage) (Block, error) {
	var head struct {
		Number     hexutil.Uint64 `json:"number"`
		Hash       common.Hash    `json:"hash"`
		ParentHash common.Hash    `json:"parentHash"`
	}
	if err := json.Unmarshal(block, &head); err != nil {
		return Block{}, err
	}
	if head.Hash == (common.Hash{}) {
		return Block{}, errors.New("block without a hash")
	}
	return Block{Number: uint64(head.Number), Hash: head.Hash, Parent: head.ParentHash,
		Block: block, Receipts: receipts, Uncles: uncles}, nil
}

// Read reads a whole recording. It fails if a block does not follow the one
// before it.
func Read(r io.Reader) (*Chain, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("recorded: %w", err)
	}
	lines := json.NewDecoder(bufio.NewReaderSize(unzipped, 1<<20))
	var head struct {
		Client  string         `json:"client"`
		ChainID hexutil.Uint64 `json:"chainId"`
	}
	if err := lines.Decode(&head); err != nil {
		return nil, fmt.Errorf("recorded: first line: %w", err)
	}
	c := &Chain{ChainID: uint64(head.ChainID), Client: head.Client}
	for {
		b, err := readBlock(lines)
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err == nil {
			err = c.follows(b)
		}
		if err != nil {
			return nil, fmt.Errorf("recorded: line %d: %w", len(c.Blocks)+2, err)
		}
		c.Blocks = append(c.Blocks, b)
	}
}

// ReadFile reads the recording in a file.
func ReadFile(path string) (*Chain, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("recorded: %w", err)
	}
	defer f.Close()
	return Read(f)
}

func readBlock(lines *json.Decoder) (Block, error) {
	var line struct {
		Block    json.RawMessage   `json:"block"`
		Receipts json.RawMessage   `json:"receipts"`
		Uncles   []json.RawMessage `json:"uncles"`
	}
	if err := lines.Decode(&line); err != nil {
		return Block{}, err
	}
	return NewBlock(line.Block, line.Receipts, line.Uncles)
}

// follows checks that b can be the next block.
func (c *Chain) follows(b Block) error {
	if len(c.Blocks) == 0 {
		return nil
	}
	last := c.Blocks[len(c.Blocks)-1]
	if b.Number != last.Number+1 || b.Parent != last.Hash {
		return fmt.Errorf("block %d does not follow block %d", b.Number, last.Number)
	}
	return nil
}

// Write writes a recording that [Read] reads.
func Write(w io.Writer, c *Chain) error {
	zipped := gzip.NewWriter(w)
	lines := json.NewEncoder(zipped)
	head := map[string]any{"client": c.Client, "chainId": hexutil.Uint64(c.ChainID)}
	if err := lines.Encode(head); err != nil {
		return fmt.Errorf("recorded: %w", err)
	}
	for _, b := range c.Blocks {
		line := map[string]any{"block": b.Block, "receipts": b.Receipts}
		if len(b.Uncles) > 0 {
			line["uncles"] = b.Uncles
		}
		if err := lines.Encode(line); err != nil {
			return fmt.Errorf("recorded: block %d: %w", b.Number, err)
		}
	}
	return zipped.Close()
}

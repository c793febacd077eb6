package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A lineArchive is a file of JSON lines: the first tells of the chain, each
// further one holds a block as a node answered for it.
type lineArchive struct {
	*file
	chain origin
	lines []line
}

// A line has a block.
type line struct {
	number     uint64
	at, length int64
}

// lineFormat is what the first line calls itself. Recordings made for tests
// leave it out.
const lineFormat = "gapless-jsonl/1"

func openLines(ctx context.Context, f *file) (*lineArchive, error) {
	a := &lineArchive{file: f}
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, f.size), 1<<16)
	for at := int64(0); ; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		start, length, err := readLine(in)
		if err != nil {
			return nil, err
		}
		if length == 0 {
			return a, nil
		}
		if at == 0 {
			a.chain, err = parseFirst(start)
		} else if len(bytes.TrimSpace(start)) > 0 {
			err = a.addLine(start, at, length)
		}
		if err != nil {
			return nil, fmt.Errorf("line at byte %d: %w", at, err)
		}
		at += length
	}
}

// readLine gives the beginning of the next line, as far as the buffer holds it,
// and the length of all of it; 0 at the end.
func readLine(in *bufio.Reader) (start []byte, length int64, err error) {
	part, err := in.ReadSlice('\n')
	start, length = bytes.Clone(part), int64(len(part))
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = in.ReadSlice('\n')
		length += int64(len(part))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return start, length, err
}

// parseFirst reads the first line.
func parseFirst(text []byte) (o origin, err error) {
	var first struct {
		Format  string          `json:"format"`
		ChainID *hexutil.Uint64 `json:"chainId"`
		Genesis *common.Hash    `json:"genesisHash"`
		Client  string          `json:"client"`
		Fork    *struct {
			Number hexutil.Uint64 `json:"number"`
			Hash   common.Hash    `json:"hash"`
		} `json:"fork"`
	}
	if err := json.Unmarshal(text, &first); err != nil {
		return o, wrong("it does not tell of the chain: %w", err)
	}
	switch {
	case first.Format != "" && first.Format != lineFormat:
		return o, fmt.Errorf("the format is %.40q, but this version reads %q; get a newer gapless", first.Format, lineFormat)
	case first.ChainID == nil:
		return o, wrong("it does not tell the chain id: the first line should be as export writes it")
	}
	o = origin{chainID: (*uint64)(first.ChainID), genesis: first.Genesis, client: first.Client}
	if first.Fork != nil {
		o.fork = &store.Tag{Number: uint64(first.Fork.Number), Hash: first.Fork.Hash}
	}
	return o, nil
}

// addLine finds out which block is in a line.
func (a *lineArchive) addLine(start []byte, at, length int64) error {
	number, err := numberIn(start)
	if err != nil && int64(len(start)) < length { // perhaps it is not near the beginning
		if start, err = a.part(at, length); err == nil {
			number, err = numberIn(start)
		}
	}
	if err != nil {
		return err
	}
	a.lines = append(a.lines, line{number, at, length})
	return nil
}

// numberIn gives the number of the block in a line, which may be cut off.
func numberIn(text []byte) (uint64, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	err := enter(d, "block")
	if err == nil {
		err = enter(d, "number")
	}
	if err != nil {
		return 0, wrong("there is no number of a block: %w", err)
	}
	var number hexutil.Uint64
	if err := d.Decode(&number); err != nil || number > 1<<62 {
		return 0, wrong("the number of the block is not one")
	}
	return uint64(number), nil
}

// enter reads into an object up to the value of a key.
func enter(d *json.Decoder, key string) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errors.New("not an object"))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil || t == key {
			return err
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return err
		}
	}
	return fmt.Errorf("no %s", key)
}

func (a *lineArchive) origin() origin { return a.chain }

func (a *lineArchive) numbers() []uint64 {
	numbers := make([]uint64, len(a.lines))
	for i := range numbers {
		numbers[i] = a.lines[i].number
	}
	return numbers
}

func (a *lineArchive) block(i int) (*chain.Block, int, error) {
	raw, err := a.part(a.lines[i].at, a.lines[i].length)
	if err != nil {
		return nil, 0, err
	}
	var answers struct {
		Block    json.RawMessage   `json:"block"`
		Receipts json.RawMessage   `json:"receipts"`
		Uncles   []json.RawMessage `json:"uncles"`
	}
	if err := json.Unmarshal(raw, &answers); err != nil {
		return nil, 0, wrong("%w", err)
	}
	b, err := chain.DecodeBlock(answers.Block)
	if err != nil {
		return nil, 0, err
	}
	if err := b.DecodeReceipts(answers.Receipts); err != nil {
		return nil, 0, err
	}
	return b, len(raw), b.DecodeUncles(answers.Uncles)
}

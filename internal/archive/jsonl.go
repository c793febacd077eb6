package archive

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// jsonlFormat names the form of JSON lines with whole blocks.
const jsonlFormat = "gapless-jsonl/1"

// A jsonlHeader is the first line of a file of JSON lines with whole blocks.
// Each further line is a block, as the node answered for it:
//
//	{"block":{…},"receipts":[…],"uncles":[…]}
type jsonlHeader struct {
	Format  string         `json:"format"`
	ChainID hexutil.Uint64 `json:"chainId"`
	Genesis common.Hash    `json:"genesisHash"`
	Client  string         `json:"client"`
	Fork    *jsonlFork     `json:"fork,omitempty"`
	From    hexutil.Uint64 `json:"from"`
	To      hexutil.Uint64 `json:"to"`
}

// A jsonlFork says where a fork of a live chain begins.
type jsonlFork struct {
	Number hexutil.Uint64 `json:"number"`
	Hash   common.Hash    `json:"hash"`
}

// WriteJSONL writes whole blocks as JSON lines, which can be imported again.
func (s *Selection) WriteJSONL(ctx context.Context, out io.Writer) error {
	id := s.Identity
	header := jsonlHeader{jsonlFormat, hexutil.Uint64(id.ChainID), id.Genesis, kind(id.Client), newJSONLFork(id.Fork),
		hexutil.Uint64(s.From), hexutil.Uint64(s.To)}
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		return err
	}
	return read(ctx, s, chain.QuickChecks, blockLines, func(lines []byte) error {
		_, err := out.Write(lines)
		return err
	})
}

func newJSONLFork(fork *store.Tag) *jsonlFork {
	if fork == nil {
		return nil
	}
	return &jsonlFork{hexutil.Uint64(fork.Number), fork.Hash}
}

func blockLines(blocks []*chain.Block) (lines []byte, _ error) {
	for _, b := range blocks {
		lines = appendBlockLine(lines, b)
	}
	return lines, nil
}

func appendBlockLine(out []byte, b *chain.Block) []byte {
	out = b.AppendBlock(append(out, `{"block":`...), true)
	out = b.AppendReceipts(append(out, `,"receipts":`...))
	for i := range b.Uncles {
		sep := `,`
		if i == 0 {
			sep = `,"uncles":[`
		}
		out = b.AppendUncle(append(out, sep...), i)
	}
	if len(b.Uncles) > 0 {
		out = append(out, ']')
	}
	return append(out, "}\n"...)
}

// kind is the name and version of a client without the machine that it was
// built for: Geth/v1.17.10 of Geth/v1.17.10/linux-amd64/go1.26.8.
func kind(client string) string {
	parts := strings.SplitN(client, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

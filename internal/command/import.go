package command

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/spf13/cobra"

	"gapless/internal/chain"

	"gapless/internal/store"
)

const importUsage = `
Store blocks from archives, proved like those of a node: JSON lines as gapless export writes them,
era1 files, or RLP blocks as geth export writes them with their receipts; each may be compressed
with gzip or zstd, and - is the standard input. Blocks are appended to the file, which is made if it
isn't there, and missing ones are filled. What is wrong, or does not fit what is stored, is refused;
what came before it stays. If it is stopped, the same command goes on.

usage: gapless import FILE... [flags]

  --db FILE            the file to store them in (gapless.db)
  --from N             the first block to take (the archives' first)
  --to N               the last block to take (the archives' last)
  --receipts FILE      the receipts of a file of RLP blocks: a list for each block; more than once
                       for several files, in their order
  --chain-id N         the chain id, for archives in which no transaction tells it
  --genesis-hash HASH  the hash of block 0, for archives without it
  --verify LEVEL       as in run: auto, strict, warn or off (auto); whatever the archives call their
                       client, auto stores nothing that is wrong
`

// importFlags are the flags of import as they were given.
type importFlags struct {
	db, from, to, chainID, genesis, verify string
	receipts                               []string
}

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	c := a.command("import", importUsage, 0, nil)
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("import takes at least 1 argument\n`%s -h` shows how", c.CommandPath())
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		i, err := f.importing()
		if err != nil {
			return err
		}
		if i.paths, err = aFile.parseAll("FILE", args); err != nil {
			return err
		}
		store.TempBeside(f.db) // standard input is put into a temporary file first
		i.out = newConsole(a.stderr)
		return i.run(c.Context())
	}
	pathFlag(c.Flags(), &f.db, "db", usualDB, aNewFile)
	c.Flags().StringVar(&f.from, "from", "", "")
	c.Flags().StringVar(&f.to, "to", "", "")
	pathsFlag(c.Flags(), &f.receipts, "receipts", aFile)
	c.Flags().StringVar(&f.chainID, "chain-id", "", "")
	c.Flags().StringVar(&f.genesis, "genesis-hash", "", "")
	c.Flags().StringVar(&f.verify, "verify", string(chain.Auto), "")
	return c
}

// importing makes of the flags what import needs. Its errors are exit 2.
func (f *importFlags) importing() (*importing, error) {
	i := &importing{db: f.db}
	i.options.Receipts = f.receipts
	var err error
	if i.level, err = chain.ParseLevel(f.verify); err != nil {
		return nil, usagef("--verify: %w", err)
	}
	for name, n := range map[string]struct {
		text string
		at   **uint64
	}{"--from": {f.from, &i.options.From}, "--to": {f.to, &i.options.To}, "--chain-id": {f.chainID, &i.options.ChainID}} {
		if *n.at, err = parseNumber(name, n.text); err != nil {
			return nil, err
		}
	}
	if from, to := i.options.From, i.options.To; from != nil && to != nil && *from > *to {
		return nil, usagef("there are no blocks from %d to %d", *from, *to)
	}
	if f.genesis != "" {
		hash, err := hexutil.Decode(f.genesis)
		if err != nil || len(hash) != common.HashLength {
			return nil, usagef("--genesis-hash is %q: use 0x and 64 digits", f.genesis)
		}
		i.options.Genesis = (*common.Hash)(hash)
	}
	return i, nil
}

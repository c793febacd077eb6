// Generate makes the recorded chain in testdata/chain, and proves that it is
// what a node answers.
//
//	go run . -out ../chain                       # make the files
//	go run . -check                              # make them again in memory and compare
//	go run . -compare http://127.0.0.1:18547     # compare them with a node
//
// It leaves three files:
//
//	genesis.json     what geth init takes
//	chain.rlp.gz     the blocks from 1 on; unzipped, what geth import takes
//	chain.jsonl.gz   what geth then answers; see [recording]
//
// The node to compare with is geth of the version in go.mod:
//
//	geth --datadir D --state.scheme path init genesis.json
//	geth --datadir D --syncmode full --gcmode archive --history.transactions 0 import chain.rlp
//	geth --datadir D --syncmode full --gcmode archive --history.transactions 0 \
//	     --nodiscover --maxpeers 0 --port 0 --nat none --ipcdisable \
//	     --http --http.port 18547 --authrpc.port 18567
//
// The module is nested, so that go-ethereum's chain maker stays out of the
// build list of the program.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("out", "../chain", "`folder` of the files")
	verify := flag.Bool("check", false, "make the chain again and compare it with the files")
	node := flag.String("compare", "", "compare the recording with the node at this `URL`")
	flag.Parse()

	if err := run(*out, *verify, *node); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run does what the flags ask for with the files in dir.
func run(dir string, verify bool, node string) error {
	if node != "" {
		blocks, err := compare(context.Background(), dir, node)
		if err != nil {
			return err
		}
		fmt.Printf("%d blocks are equal to the node's\n", blocks)
		return nil
	}
	c := makeChain()
	files, err := render(c)
	if err != nil {
		return err
	}
	if verify {
		if err := check(dir, files); err != nil {
			return err
		}
	} else if err := write(dir, files); err != nil {
		return err
	}
	fmt.Print(count(c))
	return nil
}

// Capture records the blocks of real nodes, with every kind of transaction
// that each takes, into testdata/nodes/NODE.jsonl.gz, and prints which of
// their hashes go-ethereum's types recompute. From its folder:
//
//	go run .              # records all
//	go run . anvil        # records one
//	go run . -check       # only prints the table
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"slices"

	"gapless/internal/e2e/nodes"
)

func main() {
	log.SetFlags(0)
	check := flag.Bool("check", false, "check the recordings that are there")
	dir := flag.String("dir", "..", "`folder` of the recordings")
	flag.Parse()

	var reports []report
	for _, k := range kinds {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), k.name) {
			continue
		}
		path := filepath.Join(*dir, k.name+".jsonl.gz")
		if !*check {
			if err := capture(k, path); err != nil {
				log.Fatalf("capture: %s: %v", k.name, err)
			}
		}
		r, err := checkFile(path)
		if err != nil {
			log.Fatalf("capture: check %s: %v", path, err)
		}
		reports = append(reports, r)
	}
	print(os.Stdout, reports)
}

func capture(k kind, path string) error {
	b := &bench{}
	defer b.end()
	n := k.start(b)
	ctx := context.Background()
	m, err := newMaker(ctx, k, n.HTTP)
	if err != nil {
		return err
	}
	log.Printf("%s:", k.name)
	if err := m.script(ctx); err != nil {
		b.failed = true
		return err
	}
	return record(ctx, n.HTTP, path)
}

// kinds are the nodes that are recorded.
var kinds = []kind{
	{
		name:  "geth-dev",
		start: func(b *bench) *nodes.Node { return nodes.StartGethDev(b, 1) },
	},
	{
		// The next fork, with header fields that no other node has yet.
		name:  "geth-amsterdam",
		start: func(b *bench) *nodes.Node { return nodes.StartGethDev(b, 1, "--override.amsterdam", "0") },
	},
	{
		name:        "anvil",
		start:       func(b *bench) *nodes.Node { return nodes.StartAnvil(b) },
		automine:    true,
		impersonate: []string{"anvil_setBalance", "anvil_impersonateAccount"},
	},
	{
		name: "hardhat",
		start: func(b *bench) *nodes.Node {
			// Otherwise it answers a failed transaction that it mined with an error.
			return nodes.StartHardhat(b, "{ throwOnTransactionFailures: false }")
		},
		automine:    true,
		impersonate: []string{"hardhat_setBalance", "hardhat_impersonateAccount"},
	},
	{
		name:        "ganache",
		start:       func(b *bench) *nodes.Node { return nodes.StartGanache(b) },
		automine:    true,
		impersonate: []string{"evm_setAccountBalance", "evm_addAccount", "personal_unlockAccount"},
	},
}

// A kind of node.
type kind struct {
	name        string
	start       func(*bench) *nodes.Node
	automine    bool     // makes a block of every transaction; otherwise one a second
	impersonate []string // methods that fund and open somebody else's account
}

// bench is what the nodes have for a test here.
type bench struct {
	cleanups []func()
	failed   bool
}

func (b *bench) Helper()                    {}
func (b *bench) Failed() bool               { return b.failed }
func (b *bench) Cleanup(f func())           { b.cleanups = append(b.cleanups, f) }
func (b *bench) Logf(f string, args ...any) { log.Printf(f, args...) }

func (b *bench) Fatalf(f string, args ...any) {
	b.failed = true
	b.end()
	log.Fatalf(f, args...)
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "capture-")
	if err != nil {
		b.Fatalf("capture: %v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (b *bench) end() {
	for len(b.cleanups) > 0 {
		f := b.cleanups[len(b.cleanups)-1]
		b.cleanups = b.cleanups[:len(b.cleanups)-1]
		f()
	}
}

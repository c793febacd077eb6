// Generate makes the recordings in testdata/optimism.
//
//	go run . -out ..      # make the files
//	go run . -check       # make them again in memory and compare
//
// It builds two chains with the chain maker of op-geth, lets an op-geth inside
// this process import them, which executes and verifies every block again, and
// records what that op-geth's RPC server answers.
//
// The module is nested, because op-geth takes the place of go-ethereum in its
// build list.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/log"
)

func main() {
	out := flag.String("out", "..", "`folder` of the files")
	verify := flag.Bool("check", false, "make the recordings again and compare them with the files")
	flag.Parse()
	log.SetDefault(log.NewLogger(log.NewTerminalHandlerWithLevel(os.Stderr, slog.LevelError, false)))

	use := write
	if *verify {
		use = check
	}
	if err := run(*out, use); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run makes the recordings and hands each to use.
func run(dir string, use func(path string, recording []byte) error) error {
	for name, genesis := range map[string]genesisMaker{"optimism": everyFork, "optimism-devnet": jovianDevnet} {
		recording, err := record(makeChain(genesis()))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := use(filepath.Join(dir, name+".jsonl.gz"), recording); err != nil {
			return err
		}
	}
	return nil
}

// write leaves no name and no time in the gzip header, so that the same
// recording gives the same bytes.
func write(path string, recording []byte) error {
	var buf bytes.Buffer
	w := must(gzip.NewWriterLevel(&buf, gzip.BestCompression))
	must(w.Write(recording))
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o666)
}

// check compares what is compressed: another release of Go may compress
// otherwise.
func check(path string, recording []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Equal(got, recording) {
		return fmt.Errorf("%s is not what this program makes", path)
	}
	return nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

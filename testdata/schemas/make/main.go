// Make makes a file of the schema that a program knows, by running it beside a
// node that fails, reverts and goes on. See ../README.md.
package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gapless/internal/node/nodetest"
	"gapless/testdata"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./testdata/schemas/make PROGRAM OUT.db.gz")
		os.Exit(2)
	}
	if err := build(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func build(program, out string) error {
	folder, err := os.MkdirTemp("", "schema-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	db := filepath.Join(folder, "gapless.db")
	node := nodetest.New(testdata.Recording())
	for _, number := range []uint64{20, 31, 44} {
		node.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
	}
	node.Tags["finalized"], node.Tags["safe"] = 25, 30
	server := httptest.NewServer(node)
	defer server.Close()
	node.Head = 60
	// Time enough to index, and to be sure of a revert.
	time.AfterFunc(8*time.Second, func() { node.Do(func(n *nodetest.Node) { n.Head = 50 }) })
	time.AfterFunc(16*time.Second, func() { node.Do(func(n *nodetest.Node) { n.Head = 70 }) })
	err = gapless(program, 3, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--retry-base", "1h", "--until", "70", "--wait", "1s")
	if err == nil {
		err = gapless(program, 0, "skip", "31", "--db", db, "--reason", "kept for a test")
	}
	if err == nil { // once more, as it ends with nothing beside the file
		err = gapless(program, 3, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "70", "--wait", "1s")
	}
	if err == nil {
		err = compress(db, out)
	}
	return err
}

// gapless runs the program, which is to end with a code.
func gapless(program string, code int, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = nil
		if e.ExitCode() != code {
			err = fmt.Errorf("%s: exit code %d, not %d", args, e.ExitCode(), code)
		}
	} else if err == nil && code != 0 {
		err = fmt.Errorf("%s: exit code 0, not %d", args, code)
	}
	return err
}

func compress(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression) // the level is one
	_, err = z.Write(content)
	return errors.Join(err, z.Close(), f.Close(), wal(from))
}

// wal says whether something was left beside the file.
func wal(path string) error {
	f, err := os.Open(path + "-wal")
	if err != nil {
		return nil
	}
	defer f.Close()
	if n, _ := io.Copy(io.Discard, f); n > 0 {
		return fmt.Errorf("%d bytes are in the -wal", n)
	}
	return nil
}

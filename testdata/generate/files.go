package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	genesisFile = "genesis.json"
	chainFile   = "chain.rlp.gz"
	recordFile  = "chain.jsonl.gz"
)

// render returns the content of each file, not yet compressed.
func render(c *chain) (map[string][]byte, error) {
	genesis, err := json.MarshalIndent(c.genesis, "", "  ")
	if err != nil {
		return nil, err
	}
	var blocks bytes.Buffer
	for _, b := range c.blocks[1:] {
		if err := b.EncodeRLP(&blocks); err != nil {
			return nil, fmt.Errorf("block %d: %w", b.NumberU64(), err)
		}
	}
	recording, err := record(c)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		genesisFile: append(genesis, '\n'),
		chainFile:   blocks.Bytes(),
		recordFile:  recording,
	}, nil
}

// write writes files into dir. The gzip header has no name and no time, so
// that the same content gives the same bytes.
func write(dir string, files map[string][]byte) error {
	for name, content := range files {
		if strings.HasSuffix(name, ".gz") {
			content = compress(content)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func compress(content []byte) []byte {
	var buf bytes.Buffer
	w := must(gzip.NewWriterLevel(&buf, gzip.BestCompression))
	must(w.Write(content))
	if err := w.Close(); err != nil {
		panic(err) // a buffer takes everything
	}
	return buf.Bytes()
}

// check returns an error unless the files in dir are those given. It compares
// what is compressed, because another release of Go may compress otherwise.
func check(dir string, files map[string][]byte) error {
	for name, want := range files {
		got, err := read(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s is not what this program makes", name)
		}
	}
	return nil
}

// read returns the content of a file, unzipped if need be.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(path, ".gz") {
		return io.ReadAll(f)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(z)
}

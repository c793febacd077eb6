// Package testdata holds the recorded chain that the demo indexes and tests
// use. chain/README.md says what is in it.
package testdata

import (
	"bytes"
	_ "embed"
	"io"
	"sync"

	"gapless/internal/node/recorded"
)

//go:embed chain/chain.jsonl.gz
var chain []byte

// Chain gives the recording as it is in the repository: lines of JSON,
// compressed by gzip.
func Chain() io.Reader { return bytes.NewReader(chain) }

// Recording gives the recorded chain, which is read once and shared: nobody may
// change it.
var Recording = sync.OnceValue(func() *recorded.Chain {
	c, err := recorded.Read(Chain())
	if err != nil {
		panic(err) // it is part of the program, and tested
	}
	return c
})

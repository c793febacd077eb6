// Package testdata holds the recorded chain that the demo indexes and tests
// use. chain/README.md says what is in it.
package testdata

import (
	"bytes"
	_ "embed"
	"io"
)

//go:embed chain/chain.jsonl.gz
var chain []byte

// Chain gives the recording, for recorded.Read.
func Chain() io.Reader { return bytes.NewReader(chain) }

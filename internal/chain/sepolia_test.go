package chain_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
)

// Real history: two archives of Sepolia that are in the module of go-ethereum.
func TestSepolia(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ethereum/go-ethereum").Output()
	if err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob(strings.TrimSpace(string(dir)) + "/core/rawdb/eradb/testdata/*.era1")
	if err != nil || len(archives) != 2 {
		t.Fatalf("%d archives: %v", len(archives), err)
	}
	blocks, transactions := 0, 0
	for _, path := range archives {
		archive, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		readEra1(t, archive, func(header *types.Header, body *types.Body, receipts types.Receipts) {
			checkSepolia(t, types.NewBlockWithHeader(header).WithBody(*body), receipts)
			blocks++
			transactions += len(body.Transactions)
		})
	}
	if blocks != 16_384 || transactions != 93 {
		t.Errorf("%d blocks, %d transactions", blocks, transactions)
	}
}

func checkSepolia(t *testing.T, block *types.Block, receipts types.Receipts) {
	t.Helper()
	err := receipts.DeriveFields(params.SepoliaChainConfig, block.Hash(), block.NumberU64(), block.Time(), block.BaseFee(), nil, block.Transactions())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := devchain.Marshal(block, receipts, params.SepoliaChainConfig.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	b := mustDecode(t, raw)
	if v := chain.Verify(b, chain.AllChecks); v.Passed != chain.AllChecks || !v.Verified() {
		t.Errorf("block %d: failed %s, not computable %s: %s", b.Number, v.Failed, v.NotComputable, v.Why)
	}
	checkRLP(t, b, block, receipts)
	if len(b.Transactions) > 0 {
		if diff := diffAnswers(raw, encode(b)); diff != "" {
			t.Errorf("block %d (-geth +given):\n%s", b.Number, diff)
		}
	}
}

// Entry types of era1 (https://github.com/eth-clients/e2store-format-specs).
const (
	era1Header   = 0x03
	era1Body     = 0x04
	era1Receipts = 0x05
)

// readEra1 reads the blocks of an archive: entries of type, length and value.
func readEra1(t *testing.T, archive []byte, block func(*types.Header, *types.Body, types.Receipts)) {
	t.Helper()
	var header types.Header
	var body types.Body
	for len(archive) >= 8 {
		kind, length := binary.LittleEndian.Uint16(archive), binary.LittleEndian.Uint32(archive[2:])
		value := archive[8 : 8+length]
		archive = archive[8+length:]
		switch kind {
		case era1Header:
			header = types.Header{}
			decodeSnappy(t, value, &header)
		case era1Body:
			body = types.Body{}
			decodeSnappy(t, value, &body)
		case era1Receipts:
			var receipts types.Receipts
			decodeSnappy(t, value, &receipts)
			h := header
			block(&h, &body, receipts)
		}
	}
}

func decodeSnappy(t *testing.T, value []byte, into any) {
	t.Helper()
	text, err := io.ReadAll(snappy.NewReader(bytes.NewReader(value)))
	if err == nil {
		err = rlp.DecodeBytes(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

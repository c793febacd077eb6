package chain_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"

	"gapless/internal/chain"
)

// encodeRLP gives a block's two encodings.
func encodeRLP(t testing.TB, b *chain.Block) (block, receipts []byte) {
	t.Helper()
	block, err := b.AppendRLP(nil)
	if err != nil {
		t.Fatal(err)
	}
	return block, receiptsRLP(t, b)
}

// receiptsRLP is a list of the receipts as nodes exchange them.
func receiptsRLP(t testing.TB, b *chain.Block) []byte {
	t.Helper()
	list := make([]any, len(b.Transactions))
	for i := range b.Transactions {
		raw := b.AppendReceiptBinary(nil, i)
		if list[i] = raw; raw[0] >= 0xc0 {
			list[i] = rlp.RawValue(raw)
		}
	}
	encoded, err := rlp.EncodeToBytes(list)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// From its RLP alone a block of every fork is what a node answers for it.
func TestDecodeRLP(t *testing.T) {
	t.Parallel()
	for _, raw := range readRecording(t, testdata+"/chain/chain.jsonl.gz").Blocks {
		block, receipts := encodeRLP(t, mustDecode(t, raw))
		b, err := chain.DecodeRLP(block, receipts)
		if err != nil {
			t.Fatalf("block %d: %v", raw.Number, err)
		}
		if diff := diffAnswers(raw, encode(b)); diff != "" {
			t.Fatalf("block %d (-recorded +given):\n%s", raw.Number, diff)
		}
		if v := chain.Verify(b, chain.AllChecks); v.Passed != chain.AllChecks {
			t.Errorf("block %d: %s", b.Number, v.Why)
		}
	}
}

// What go-ethereum signs is read, whatever the type; values past 63 bits too.
func TestDecodeRLPOfGeth(t *testing.T) {
	for _, chainID := range []uint64{1, 1<<52 + 1, 1<<62 - 20} {
		for name, tx := range signedTransactions(t, chainID) {
			t.Run(fmt.Sprint(name, " ", chainID), func(t *testing.T) {
				block := blockWith(t, tx, chainID)
				raw, receipts := encodeRLP(t, block)
				b, err := chain.DecodeRLP(raw, receipts)
				if err != nil {
					t.Fatal(err)
				}
				b.Transactions[0].Receipt.BlobGasPrice = block.Transactions[0].Receipt.BlobGasPrice // takes a header of Cancun
				want, got := encode(block), encode(b)
				if diff := diffJSON(want.Receipts, got.Receipts); diff != "" {
					t.Errorf("receipts (-want +got):\n%s", diff)
				}
				if diff := diffJSON(want.Block, got.Block); diff != "" {
					t.Errorf("block (-want +got):\n%s", diff)
				}
				if again, receiptsAgain := encodeRLP(t, b); !bytes.Equal(raw, again) || !bytes.Equal(receipts, receiptsAgain) {
					t.Error("encoded again it differs")
				}
			})
		}
	}
}

func TestDecodeRLPRefuses(t *testing.T) {
	t.Parallel()
	recording := readRecording(t, testdata+"/chain/chain.jsonl.gz")
	block, receipts := encodeRLP(t, mustDecode(t, recording.Blocks[1121])) // has several transactions
	huge := append([]byte{0xfb, 0xff, 0xff, 0xff, 0xff}, block...)         // a list of 4 GB
	for _, tt := range []struct {
		name            string
		block, receipts []byte
		want            string
	}{
		{"nothing", nil, receipts, "block: "},
		{"a length of 4 GB", huge, receipts, "value size exceeds available input length"},
		{"a receipt too few", block, []byte{0xc0}, "receipts: 0 for "},
		{"half a block", block[:len(block)/2], receipts, "value size exceeds available input length"},
		{"a byte too many", append(bytes.Clone(block), 0), receipts, "1 bytes too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := chain.DecodeRLP(tt.block, tt.receipts)
			if err == nil || !strings.Contains(err.Error(), tt.want) || chain.ClassOf(err) != chain.Invalid {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// The price of blob gas, by the table of EIP-4844 (fake_exponential).
func TestBlobGasPrice(t *testing.T) {
	const fraction = 3338477
	for excess, want := range map[uint64]int64{0: 1, 1: 1, fraction: 2, 2 * fraction: 7, 10 * fraction: 22026} {
		if got := chain.Exponential(excess, fraction); got.Int64() != want {
			t.Errorf("%d: %s, want %d", excess, got, want)
		}
	}
}

// What can be read is encoded again to the same bytes.
func FuzzDecodeRLP(f *testing.F) {
	for i, raw := range readRecording(f, testdata+"/chain/chain.jsonl.gz").Blocks {
		if i%13 == 0 && len(raw.Block)+len(raw.Receipts) < 20_000 {
			b, err := decode(raw)
			if err != nil {
				f.Fatal(err)
			}
			block, receipts := encodeRLP(f, b)
			f.Add(block, receipts)
		}
	}
	f.Fuzz(func(t *testing.T, block, receipts []byte) {
		b, err := chain.DecodeRLP(block, receipts)
		if err != nil {
			return
		}
		chain.Verify(b, chain.AllChecks)
		again, err := b.AppendRLP(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(block, again) {
			t.Errorf("%x\nbecame\n%x", block, again)
		}
	})
}

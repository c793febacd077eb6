package jsonrpc

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// netMethods are those of namespace net.
type netMethods struct{ file *file }

// Version is the network's id, for which the chain's stands.
func (m *netMethods) Version(ctx context.Context) (string, error) {
	id, err := m.file.reader.Identity(ctx)
	return strconv.FormatUint(id.ChainID, 10), err
}

// web3Methods are those of namespace web3.
type web3Methods struct {
	file   *file
	client string
}

// ClientVersion names the node whose answers these are, for those who go by it,
// and this program.
func (m *web3Methods) ClientVersion(ctx context.Context) (string, error) {
	id, err := m.file.reader.Identity(ctx)
	return fmt.Sprintf("%s (by %s)", id.Client, m.client), err
}

// Sha3 is the Keccak-256 of data.
func (m *web3Methods) Sha3(data hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(data) }

// Listening is whether the program takes part in the chain's network as far as
// clients care: they take false for a node that is not up.
func (m *netMethods) Listening() bool { return true }

// PeerCount is zero: an index has no peers.
func (m *netMethods) PeerCount() hexutil.Uint { return 0 }

// poolMethods are those of namespace txpool. The pool is empty.
type poolMethods struct{}

// Status counts the transactions that wait for a block.
func (poolMethods) Status() map[string]hexutil.Uint {
	return map[string]hexutil.Uint{"pending": 0, "queued": 0}
}

package jsonrpc

import "encoding/json"

// mineMethods are those of namespace evm, of a file that is shown block by
// block.
type mineMethods struct{ mine func() error }

// Mine shows one block more. Its parameters are those of development nodes, and
// are not looked at.
func (m *mineMethods) Mine(_ *json.RawMessage) (string, error) {
	if err := m.mine(); err != nil {
		return "", serverf("%s", err)
	}
	return "0x0", nil
}

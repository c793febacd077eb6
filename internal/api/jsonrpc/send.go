package jsonrpc

import "encoding/json"

// sendMethods are those of namespace eth that send a transaction. No node gets
// them either: who may read here need not be allowed to write there.
type sendMethods struct{}

// SendRawTransaction is refused.
func (sendMethods) SendRawTransaction(_, _ *json.RawMessage) (answer, error) { return nil, errReadOnly }

// SendRawTransactionSync is refused.
func (sendMethods) SendRawTransactionSync(_, _ *json.RawMessage) (answer, error) {
	return nil, errReadOnly
}

// SendTransaction is refused.
func (sendMethods) SendTransaction(_ *json.RawMessage) (answer, error) { return nil, errReadOnly }

package jsonrpc

import "encoding/json"

// sendMethods are those of namespace eth that send a transaction. They are not
// passed on to a node either: what comes from here may be asked again, and
// somebody who may read this may not write there.
type sendMethods struct{}

// SendRawTransaction is refused.
func (sendMethods) SendRawTransaction(_, _ *json.RawMessage) (answer, error) { return nil, errReadOnly }

// SendRawTransactionSync is refused.
func (sendMethods) SendRawTransactionSync(_, _ *json.RawMessage) (answer, error) {
	return nil, errReadOnly
}

// SendTransaction is refused.
func (sendMethods) SendTransaction(_ *json.RawMessage) (answer, error) { return nil, errReadOnly }

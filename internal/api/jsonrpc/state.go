package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
)

// A Node answers what an index can't. It is told the methods of a closed list,
// all of which only read. An error that has a code is given on as it is.
type Node interface {
	Call(ctx context.Context, method string, params []json.RawMessage) (json.RawMessage, error)
}

// stateMethods are those of namespace eth that need the chain's state, or its
// forks, neither of which is in the file: they are passed to a node, if there is
// one.
type stateMethods struct{ node Node }

// traceMethods are those of namespace debug that need the state.
type traceMethods struct{ node Node }

// A param is a parameter that is passed on; nil if it was left out.
type param = *json.RawMessage

// ask passes a call on, with the parameters that were given.
func ask(ctx context.Context, n Node, method string, params ...param) (answer, error) {
	if n == nil {
		return nil, &Error{Code: codeUnsupported, Message: "the index holds no state, which " + method + " needs; ask a node"}
	}
	given := []json.RawMessage{}
	for last := len(params); last > 0; last-- {
		if params[last-1] == nil {
			continue
		}
		for _, p := range params[:last] {
			if p == nil {
				given = append(given, json.RawMessage("null"))
			} else {
				given = append(given, *p)
			}
		}
		break
	}
	result, err := n.Call(ctx, method, given)
	return result, asAnswered(err)
}

// asAnswered gives a node's error as it answered it.
func asAnswered(err error) error {
	var answered interface {
		error
		ErrorCode() int
		ErrorData() any
	}
	if errors.As(err, &answered) {
		return &Error{Code: answered.ErrorCode(), Message: answered.Error(), Data: answered.ErrorData()}
	}
	return err
}

// Call is eth_call.
func (m *stateMethods) Call(ctx context.Context, a, b, c, d param) (answer, error) {
	return ask(ctx, m.node, "eth_call", a, b, c, d)
}

// EstimateGas is eth_estimateGas.
func (m *stateMethods) EstimateGas(ctx context.Context, a, b, c, d param) (answer, error) {
	return ask(ctx, m.node, "eth_estimateGas", a, b, c, d)
}

// CreateAccessList is eth_createAccessList.
func (m *stateMethods) CreateAccessList(ctx context.Context, a, b, c param) (answer, error) {
	return ask(ctx, m.node, "eth_createAccessList", a, b, c)
}

// SimulateV1 is eth_simulateV1.
func (m *stateMethods) SimulateV1(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "eth_simulateV1", a, b)
}

// GetBalance is eth_getBalance.
func (m *stateMethods) GetBalance(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "eth_getBalance", a, b)
}

// GetCode is eth_getCode.
func (m *stateMethods) GetCode(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "eth_getCode", a, b)
}

// GetStorageAt is eth_getStorageAt.
func (m *stateMethods) GetStorageAt(ctx context.Context, a, b, c param) (answer, error) {
	return ask(ctx, m.node, "eth_getStorageAt", a, b, c)
}

// GetStorageValues is eth_getStorageValues.
func (m *stateMethods) GetStorageValues(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "eth_getStorageValues", a, b)
}

// GetTransactionCount is eth_getTransactionCount.
func (m *stateMethods) GetTransactionCount(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "eth_getTransactionCount", a, b)
}

// GetProof is eth_getProof.
func (m *stateMethods) GetProof(ctx context.Context, a, b, c param) (answer, error) {
	return ask(ctx, m.node, "eth_getProof", a, b, c)
}

// Config is eth_config (EIP-7910).
func (m *stateMethods) Config(ctx context.Context) (answer, error) {
	return ask(ctx, m.node, "eth_config")
}

// TraceTransaction is debug_traceTransaction.
func (m *traceMethods) TraceTransaction(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "debug_traceTransaction", a, b)
}

// TraceBlockByNumber is debug_traceBlockByNumber.
func (m *traceMethods) TraceBlockByNumber(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "debug_traceBlockByNumber", a, b)
}

// TraceBlockByHash is debug_traceBlockByHash.
func (m *traceMethods) TraceBlockByHash(ctx context.Context, a, b param) (answer, error) {
	return ask(ctx, m.node, "debug_traceBlockByHash", a, b)
}

// TraceCall is debug_traceCall.
func (m *traceMethods) TraceCall(ctx context.Context, a, b, c param) (answer, error) {
	return ask(ctx, m.node, "debug_traceCall", a, b, c)
}

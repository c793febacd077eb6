package node

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gapless/internal/chain"
)

// JSON-RPC error codes that mean something beyond the call that they answer.
const (
	codePruned       = 4444
	codeTooManyCalls = 429    // an HTTP status given as a code
	codeLimit        = -32005 // EIP-1474: limit exceeded
	codeTooLarge     = -32003 // geth: response too large
	codeSlow         = -32002 // geth: request timed out
)

// unknownMethod are the codes by which nodes say that they do not know a
// method: the standard's, hardhat's and ganache's.
var unknownMethod = []int{-32601, -32004, -32700}

// An rpcError is what a node answered instead of a result. Its message holds no
// secret.
type rpcError struct {
	Code    int
	Message string
	Data    json.RawMessage // nil: none
}

func (e *rpcError) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// class sorts the answer to one call.
func (e *rpcError) class() chain.Class {
	switch e.Code {
	case codePruned:
		return chain.Pruned
	case codeLimit, codeTooManyCalls:
		return chain.RateLimited
	case codeTooLarge, codeSlow:
		return chain.TooLarge
	}
	return chain.BlockError
}

// unsupported reports whether a call failed because the node does not know its
// method.
func unsupported(err error) bool {
	e, ok := errors.AsType[*rpcError](err)
	return ok && slices.Contains(unknownMethod, e.Code)
}

// errSilent marks requests that were not answered in time.
var errSilent = errors.New("no answer")

// errorf makes an error of a class. Its text must hold no secret.
func errorf(class chain.Class, format string, args ...any) error {
	return &chain.Error{Class: class, Err: fmt.Errorf(format, args...)}
}

// blockError makes an error that belongs to the endpoint or a request one of the
// block that the last call was for.
func blockError(err error) error {
	if chain.ClassOf(err).OfBlock() {
		return err
	}
	return &chain.Error{Class: chain.BlockError, Err: err}
}

// refusing reports whether a transport's error is one that trying again does
// not cure.
func refusing(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return certificate || record || alert || authority || name
}

// statusClass sorts an HTTP status. ok is false for those whose body decides.
func statusClass(status int) (_ chain.Class, ok bool) {
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusGone, http.StatusUpgradeRequired:
		return chain.EndpointRefuses, true
	case http.StatusTooManyRequests:
		return chain.RateLimited, true
	case http.StatusRequestEntityTooLarge:
		return chain.TooLarge, true
	}
	return chain.EndpointRefuses, status >= 300 && status < 400 // a redirect could take the key elsewhere
}

// retryAfter reads the Retry-After header: seconds or a date. Zero if absent.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return time.Duration(min(max(seconds, 0), 1e6) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

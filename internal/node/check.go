package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// statusError says which status was the answer and, where trying again does not
// cure it, what to check.
func statusError(status int) error {
	check := ""
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		check = ": check the key in the URL or in --rpc-header"
	case http.StatusPaymentRequired:
		check = ": check what is paid for with the key"
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		check = ": check the path of the URL, in which the key may be"
	case http.StatusProxyAuthRequired:
		check = ": check HTTP_PROXY and HTTPS_PROXY"
	case http.StatusUpgradeRequired:
		check = ": check whether only ws:// or wss:// is served there"
	default:
		if status >= 300 && status < 400 {
			check = ": check the URL, another is used in its place, which is not followed with a key"
		}
	}
	return fmt.Errorf("HTTP %d%s", status, check)
}

// whatToCheck says it of a transport's error that trying again does not cure.
func whatToCheck(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "check the host in the URL, and the name servers of this machine"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "check whether the URL begins with http:// or https://, ws:// or wss://"
	}
	return "check the host in the URL and this machine's clock; SSL_CERT_FILE names certificates to trust"
}

// Package problem answers HTTP requests with what is wrong, as RFC 9457 has it
// (https://www.rfc-editor.org/rfc/rfc9457).
package problem

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Details are the body of an answer that is an error. Their type is
// about:blank: the status says what kind of problem it is.
type Details struct {
	Title  string `json:"title"`            // of the status
	Status int    `json:"status"`           // of HTTP
	Detail string `json:"detail,omitempty"` // what is wrong this time, and what to do
}

func (d *Details) Error() string {
	if d.Detail == "" {
		return d.Title
	}
	return d.Detail
}

// New makes details of a status of HTTP and what is wrong.
func New(status int, detail string) Details {
	return Details{Title: http.StatusText(status), Status: status, Detail: detail}
}

// Write answers with a problem.
func Write(w http.ResponseWriter, status int, format string, args ...any) {
	WriteDetails(w, status, New(status, fmt.Sprintf(format, args...)))
}

// WriteDetails answers with a problem that has more members than [Details]:
// they are in details too.
func WriteDetails(w http.ResponseWriter, status int, details any) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(details) // the client's loss
}

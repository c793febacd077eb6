//go:build unix

package nodes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// An Error is a node's answer that it will not.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// A connection is never used twice, so that a node that was killed and started
// again is not met through one of its former life.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// Call asks a node over HTTP and returns the text of the result exactly as the
// node wrote it. It returns an [*Error] if the node answers with one.
func Call(ctx context.Context, url, method string, params ...any) (json.RawMessage, error) {
	text, err := Post(ctx, url, Request{1, method, params})
	if err != nil {
		return nil, fmt.Errorf("nodes: %s: %w", method, err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("nodes: %s: %w", method, err)
	}
	if a.Error != nil {
		return nil, fmt.Errorf("nodes: %s: %w", method, a.Error)
	}
	return a.Result, nil
}

// A Request is one call of a batch. Its ID is its place, from 1 on.
type Request struct {
	ID     int
	Method string
	Params []any
}

// MarshalJSON writes no null for params, which hardhat refuses.
func (r Request) MarshalJSON() ([]byte, error) {
	params := r.Params
	if params == nil {
		params = []any{}
	}
	return json.Marshal(map[string]any{"jsonrpc": "2.0", "id": r.ID, "method": r.Method, "params": params})
}

// An answer is what comes back for a Request.
type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
}

// Batch asks a node for the same method with each of the parameters, and
// returns the results in their order. It returns an [*Error] if one of the
// calls is answered with one.
func Batch(ctx context.Context, url, method string, params ...[]any) ([]json.RawMessage, error) {
	const most = 100
	results := make([]json.RawMessage, 0, len(params))
	for chunk := range slices.Chunk(params, most) {
		requests := make([]Request, len(chunk))
		for i := range chunk {
			requests[i] = Request{i + 1, method, chunk[i]}
		}
		some, err := batch(ctx, url, requests)
		if err != nil {
			return nil, fmt.Errorf("nodes: %s: %w", method, err)
		}
		results = append(results, some...)
	}
	return results, nil
}

func batch(ctx context.Context, url string, requests []Request) ([]json.RawMessage, error) {
	text, err := Post(ctx, url, requests)
	if err != nil {
		return nil, err
	}
	var answers []answer
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	results := make([]json.RawMessage, len(requests))
	for _, a := range answers {
		switch {
		case a.Error != nil:
			return nil, a.Error
		case a.ID < 1 || a.ID > len(results):
			return nil, fmt.Errorf("answer to call %d of %d", a.ID, len(results))
		}
		results[a.ID-1] = a.Result
	}
	return results, nil
}

// Post sends a message as JSON over HTTP and returns the body of the answer.
func Post(ctx context.Context, url string, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		var a answer
		if json.Unmarshal(text, &a) != nil { // some answer errors with a status
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
	}
	return text, err
}

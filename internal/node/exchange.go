package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"gapless/internal/chain"
)

// exchange sends the calls in one request and reads their answers. It returns
// what is wrong with the request as a whole, sorted; what is wrong with one call
// is in the call. An urgent request does not wait for the rate limit. The meter
// shows how the answer comes in.
func (e *endpoint) exchange(ctx context.Context, calls []*call, urgent bool, m *meter) error {
	body, err := encodeCalls(calls)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := e.admitted(ctx, calls, urgent); err != nil {
		return err
	}
	m.start()
	err = e.ask(ctx, body, calls, m)
	e.metrics.request(calls, requestOutcome(ctx, err), time.Since(m.sentAt()))
	e.learn(m.sentAt(), calls, err)
	if err == nil {
		e.silence.answers(calls, m)
		e.answered()
	}
	return err
}

// admitted waits until the request may be sent.
func (e *endpoint) admitted(ctx context.Context, calls []*call, urgent bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if urgent {
		e.limit.take(len(calls))
		return e.spend(ctx, len(calls), leading)
	}
	if err := e.waitRespite(ctx); err != nil {
		return err
	}
	if err := e.limit.wait(ctx, len(calls)); err != nil {
		return err
	}
	return e.spend(ctx, len(calls), calls[0].goes)
}

// spend waits until calls may be made of the day's, and counts them.
func (e *endpoint) spend(ctx context.Context, calls int, p priority) error {
	return e.named(e.budget.wait(ctx, calls, p))
}

// named puts the endpoint's label before a sorted error.
func (e *endpoint) named(err error) error {
	if c, ok := errors.AsType[*chain.Error](err); ok {
		return &chain.Error{Class: c.Class, After: c.After, Err: fmt.Errorf("%s: %w", e.label, c.Err)}
	}
	return err
}

func (e *endpoint) ask(ctx context.Context, body []byte, calls []*call, m *meter) error {
	within, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	send := e.post
	if e.sockets != nil {
		send = e.sendSocket
	} else if e.pipes != nil {
		send = e.sendPipe
	}
	most := boundOf(calls)
	most.hold = e.answers.Account().Hold()
	defer most.hold.Release()
	begin := time.Now()
	answer, err := send(within, body, most, m)
	if err != nil && ctx.Err() == nil && slept(begin, e.timeout) {
		return errorf(chain.EndpointDown, "%s: %w", e.label, errSlept)
	}
	if err != nil {
		return e.trouble(ctx, within, err)
	}
	responses, err := parseAnswer(answer, len(calls))
	if err != nil {
		return e.unusable(err)
	}
	if !slices.ContainsFunc(responses, response.is) {
		return e.unusable(errNotJSON)
	}
	calls[0].bytes = len(answer)
	for i, c := range calls {
		c.raw, c.err = nil, e.callError(c, responses[i])
		if c.err == nil {
			c.raw = responses[i].result
		}
	}
	return nil
}

// trouble sorts an error of the transport, which may name the URL.
func (e *endpoint) trouble(ctx, within context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if sorted, ok := errors.AsType[*chain.Error](err); ok {
		return e.named(sorted)
	}
	if within.Err() != nil {
		return errorf(chain.EndpointDown, "%s: %w in %s", e.label, errSilent, e.timeout)
	}
	if refusing(err) {
		return errorf(chain.EndpointRefuses, "%s: %w: %s", e.label, e.secrets.error(err), whatToCheck(err))
	}
	return errorf(chain.EndpointDown, "%s: %w", e.label, e.secrets.error(err))
}

// unusable sorts an answer that does not answer the calls.
func (e *endpoint) unusable(err error) error {
	refused, ok := errors.AsType[*refusedError](err)
	if !ok {
		return errorf(chain.EndpointDown, "%s: %w", e.label, err)
	}
	class := chain.TooLarge
	if refused.class() == chain.RateLimited {
		class = chain.RateLimited
	}
	return errorf(class, "%s: batch refused: %w", e.label, e.shown(refused.rpcError))
}

// shown gives the error with its message and data redacted.
func (e *endpoint) shown(err *rpcError) *rpcError {
	return &rpcError{Code: err.Code, Message: e.secrets.text(err.Message), Data: e.secrets.json(err.Data)}
}

func (e *endpoint) callError(c *call, r response) error {
	switch {
	case r.failure != nil:
		return errorf(r.failure.class(), "%s: %s: %w", e.label, c.method, e.shown(r.failure))
	case r.result == nil:
		return errorf(chain.BlockError, "%s: %s: not answered", e.label, c.method)
	}
	return nil
}

// post sends a body over HTTP and reads the answer.
func (e *endpoint) post(ctx context.Context, body []byte, most bound, m *meter) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = e.header.Clone()
	request.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return readAnswer(ctx, answer, most, m)
}

// readAnswer reads a body whole, and sorts statuses that are no answers. With
// most of those a node may still answer in JSON.
func readAnswer(ctx context.Context, r *http.Response, most bound, m *meter) ([]byte, error) {
	if r.ContentLength > most.bytes {
		return nil, most.exceeded
	}
	body, err := most.read(ctx, io.TeeReader(r.Body, m))
	if _, sorted := errors.AsType[*chain.Error](err); sorted {
		return nil, err
	}
	if r.StatusCode == http.StatusOK {
		return body, err
	}
	said := &chain.Error{Class: chain.EndpointDown, Err: statusError(r.StatusCode)}
	said.After = retryAfter(r.Header, time.Now())
	class, sorted := statusClass(r.StatusCode)
	if r.StatusCode == http.StatusServiceUnavailable && said.After > 0 {
		class, sorted = chain.RateLimited, true
	}
	if sorted {
		said.Class = class
		return nil, said
	}
	if _, parsed := parseAnswer(body, 1); err == nil && !errors.Is(parsed, errNotJSON) || isBatch(body) {
		return body, nil
	}
	return nil, said
}

func isBatch(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) }

func requestOutcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case ctx.Err() != nil:
		return outcomeStopped
	}
	switch chain.ClassOf(err) {
	case chain.RateLimited:
		return outcomeLimited
	case chain.TooLarge, chain.EndpointRefuses:
		return outcomeRefused
	}
	return outcomeFailed
}

func callOutcome(err error) string {
	if chain.ClassOf(err) == chain.RateLimited {
		return outcomeLimited
	}
	return outcomeError
}

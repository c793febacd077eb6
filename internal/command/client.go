package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// A client asks the process that has a file open for writing.
type client struct {
	http   *http.Client
	notice notice
}

// patience is how long the process may take to answer.
const patience = 10 * time.Second

// findProcess gives a client of the process that has the file open, and what it
// says of itself. It is nil if there is none, or it does not serve HTTP.
func findProcess(ctx context.Context, r *store.Reader) (*client, *rest.Status) {
	n, ok := readNotice(r.Path())
	if !ok || n.Address == "" {
		return nil, nil
	}
	c := &client{&http.Client{Timeout: patience, Transport: n.transport()}, n}
	var st rest.Status
	if err := c.call(ctx, http.MethodGet, "/api/v1/status", nil, &st); err != nil {
		return nil, nil // nothing answers, or something else
	}
	id, err := r.Identity(ctx)
	if err == nil && (st.Chain == nil || st.Chain.Epoch != fmt.Sprintf("%x", id.Epoch)) {
		return nil, nil // a process of another file has the address now
	}
	return c, &st
}

// call makes a request and reads the answer into an object.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.notice.root()+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if method != http.MethodGet {
		r.Header.Set("Authorization", "Bearer "+c.notice.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return json.NewDecoder(answer.Body).Decode(into)
	}
	var p problem.Details
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
		return fmt.Errorf("process %d answers %s", c.notice.ID, answer.Status)
	}
	return fmt.Errorf("process %d: %w", c.notice.ID, &p)
}

// change does something to the missing blocks of a file: through the process
// that has it open, or on the file itself.
func change(ctx context.Context, db string, through func(*client) error, itself func(*store.Store) error) error {
	r, err := glanceAt(ctx, db)
	if err != nil {
		return err
	}
	c, _ := findProcess(ctx, r)
	if err := r.Close(); err != nil { // one that only reads and is the last would leave SQLite's files behind
		return err
	}
	if c != nil {
		return through(c)
	}
	s, err := store.Open(ctx, db)
	if err != nil {
		return explainOpen(err, db)
	}
	if err := (notice{ID: os.Getpid()}).leave(s.Path()); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(itself(s), withdraw(s.Path()), s.Close())
}

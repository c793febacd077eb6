package command

import (
	"database/sql"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

// All is there only when the indexer is done: it may still make indexes of the
// last block, however long that takes.
func TestCompleteWaitsForTheIndexes(t *testing.T) {
	db := writeFile(t, 10)
	synctest.Test(t, func(t *testing.T) {
		s := newService(options{db: db, wait: time.Second}, newConsole(t.Output()), slog.New(slog.DiscardHandler))
		var err error
		if s.node, err = node.New(node.Options{URLs: []string{"http://node.example"}, Transport: nodetest.New(recording())}); err != nil {
			t.Fatal(err)
		}
		if s.store, err = store.Open(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(s.close(), s.store.Close()); err != nil {
				t.Error(err)
			}
		}()
		e := &engine{ended: make(chan struct{})}
		s.engine.Store(e)
		done := make(chan error, 1)
		go func() {
			_, err := s.complete(t.Context(), 9)
			done <- err
		}()
		time.Sleep(time.Hour)
		select {
		case err := <-done:
			t.Errorf("it has not waited: %v", err)
			return
		default:
		}
		close(e.ended)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// An index that can't be made, here because a table of somebody's own has its
// name, ends the run, and all is not there.
func TestIndexCantBeMade(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nodetest.New(recording()))
	t.Cleanup(server.Close)
	db := writeFile(t, 10)
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Exec(`DROP INDEX logs_by_topic; CREATE TABLE logs_by_topic (a)`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for range 20 { // whoever of the two that end comes first
		code, _, stderr := gapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "10")
		if code != exitFailed || !strings.Contains(stderr, "build index logs_by_topic") {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
}

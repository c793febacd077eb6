package command

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
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

// An index that can't be made, here because a page of its table is damaged, ends
// the run, and all is not there.
func TestIndexCantBeMade(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nodetest.New(recording()))
	t.Cleanup(server.Close)
	db := writeFile(t, 60)
	damageLogs(t, db)
	for range 20 { // whoever of the two that end comes first
		code, _, stderr := gapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "60")
		if code != exitFailed || !strings.Contains(stderr, "build index logs_by_topic") {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
}

// damageLogs takes an index of the logs away, and damages the page of the first
// logs (https://sqlite.org/fileformat.html: the root has a list of pages below).
func damageLogs(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	var root, size int64
	err = db.QueryRow(`SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'logs'`).Scan(&root, &size)
	if err == nil {
		_, err = db.Exec(`DROP INDEX logs_by_topic`)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := content[(root-1)*size:]
	if page[0] != 5 {
		t.Fatalf("the root of the logs is of kind %d: there is no page below", page[0])
	}
	first := int64(binary.BigEndian.Uint32(page[binary.BigEndian.Uint16(page[12:]):]))
	content[(first-1)*size] = 0xff
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

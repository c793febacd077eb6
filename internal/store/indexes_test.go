package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"gapless/internal/store"
	"gapless/schema"
)

// searches find rows by what is only indexed after the first sync.
var searches = map[string]func(context.Context, *store.Store) (any, error){
	"transactions of an address": func(ctx context.Context, s *store.Store) (any, error) {
		return s.TransactionsOf(ctx, searched, store.Everything(100))
	},
	"creation of a contract": func(ctx context.Context, s *store.Store) (any, error) { return s.CreationOf(ctx, searched) },
	"logs of an address": func(ctx context.Context, s *store.Store) (any, error) {
		return s.LogSummaries(ctx, &searched, nil, store.Everything(100))
	},
	"logs with a topic": func(ctx context.Context, s *store.Store) (any, error) {
		return s.LogSummaries(ctx, nil, new(common.Hash), store.Everything(100))
	},
	"transfers of an account": func(ctx context.Context, s *store.Store) (any, error) {
		return s.TransferSummaries(ctx, nil, &searched, store.Everything(100))
	},
	"transfers of a token": func(ctx context.Context, s *store.Store) (any, error) {
		return s.TransferSummaries(ctx, &searched, nil, store.Everything(100))
	},
	"tokens": func(ctx context.Context, s *store.Store) (any, error) { return s.Tokens(ctx, nil, 100) },
}

var searched = common.HexToAddress("0xe5c6285aa6354c1ab4e845f354100b65c42da713") // a token of the recorded chain

// grown are the migrations of a program with a schema more, which makes a table
// and an index anew.
func grown() schema.Migrations {
	return append(schema.All(), schema.Migration{Name: "9999_more.sql", SQL: `
		CREATE TABLE more (number INTEGER) STRICT;
		INSERT INTO more SELECT number FROM blocks;
		DROP INDEX IF EXISTS transfers_by_token;
		CREATE INDEX transfers_by_token ON transfers (token);`})
}

// A file of an earlier schema whose indexes wait is brought up to date without
// them, and one that has them keeps them.
func TestPostponedIndexesOfAnEarlierSchema(t *testing.T) {
	for _, tt := range []struct {
		name string
		drop []string
		want []string
	}{
		{"none waits", nil, nil},
		{"some wait", []string{"logs_by_address", "transfers_by_token"}, []string{"logs_by_address", "transfers_by_token"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			ours(t, path)
			for _, name := range tt.drop {
				runSQL(t, path, `DROP INDEX `+name)
			}
			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.MigrateKnowing(t.Context(), grown()); err != nil {
				t.Fatal(err)
			}
			if missing, err := s.MissingIndexes(t.Context()); err != nil || !cmp.Equal(tt.want, missing) {
				t.Errorf("missing %q, %v, want %q", missing, err, tt.want)
			}
		})
	}
}

// A file that is filled without the indexes that can wait becomes the same as
// any other, and does not pretend meanwhile that it has found nothing.
func TestPostponedIndexes(t *testing.T) {
	usual := newStore(t, 1000, stored(t, 1000, 1030))
	s := newStore(t, 1000)
	seen := func(s *store.Store) []string { return storedLogs(t, s, 1000, 1030) }
	if got := seen(s); got != nil { // and a session has looked at the file
		t.Errorf("logs of an empty file: %q", got)
	}
	if err := s.PostponeIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), stored(t, 1000, 1030)); err != nil {
		t.Fatal(err)
	}
	if postponed, err := s.Postponed(t.Context()); err != nil || !postponed {
		t.Errorf("postponed: %t, %v", postponed, err)
	}
	for name, search := range searches {
		if _, err := search(t.Context(), s); !errors.Is(err, store.ErrUnindexed) {
			t.Errorf("%s: error %v, want %v", name, err, store.ErrUnindexed)
		}
	}
	if diff := cmp.Diff(seen(usual), seen(s)); diff != "" || len(seen(s)) == 0 {
		t.Errorf("logs of a range (-usual +postponed):\n%s", diff)
	}

	missing := missingIndexes(t, s)
	if len(missing) != len(schemaOf(t, usual))-len(schemaOf(t, s)) || len(missing) != 10 {
		t.Errorf("missing are %q", missing)
	}
	for i, name := range missing {
		if err := s.BuildIndex(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if now := missingIndexes(t, s); len(now) != len(missing)-i-1 {
			t.Errorf("after %s, missing are %q", name, now)
		}
	}
	if diff := cmp.Diff(schemaOf(t, usual), schemaOf(t, s)); diff != "" {
		t.Errorf("schema (-usual +postponed):\n%s", diff)
	}
	for name, search := range searches {
		want, err := search(t.Context(), usual)
		if err != nil {
			t.Fatal(err)
		}
		got, err := search(t.Context(), s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-usual +postponed):\n%s", name, diff)
		}
	}
	if postponed, err := s.Postponed(t.Context()); err != nil || postponed {
		t.Errorf("postponed in the end: %t, %v", postponed, err)
	}
	if diff := cmp.Diff(seen(usual), seen(s)); diff != "" {
		t.Errorf("logs of a range, by index (-usual +postponed):\n%s", diff)
	}
}

// Nothing is dropped where there are rows, or a number is missing.
func TestPostponeOnlyWhereNothingIs(t *testing.T) {
	for name, entries := range map[string][]store.Entry{"stored": stored(t, 1000, 1000), "missing": missing(1000, 1000)} {
		s := newStore(t, 1000, entries)
		if err := s.PostponeIndexes(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if names := missingIndexes(t, s); len(names) > 0 {
			t.Errorf("%s: missing are %q", name, names)
		}
	}
}

// Nor where there were rows once: who reads has found the indexes.
func TestPostponeNotAfterRewind(t *testing.T) {
	s := newStore(t, 1000, stored(t, 1000, 1005))
	if err := s.Rewind(t.Context(), store.Reorg{Ancestor: 999}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.PostponeIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := missingIndexes(t, s); len(names) > 0 {
		t.Errorf("missing are %q", names)
	}
}

// An index that can't be finished is not there at all, and the writer goes on.
func TestBuildIndexFails(t *testing.T) {
	s := newStore(t, 1000)
	if err := s.PostponeIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), stored(t, 1000, 1005)); err != nil {
		t.Fatal(err)
	}
	refuse := func(hook func() int32) {
		if err := s.Writer().Raw(func(c any) error {
			c.(sqlite.HookRegisterer).RegisterCommitHook(hook)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	refuse(func() int32 { return 1 })
	if err := s.BuildIndex(t.Context(), "logs_by_topic"); err == nil {
		t.Error("it did not fail")
	}
	refuse(nil)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := s.BuildIndex(ended, "logs_by_topic"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if err := s.BuildIndex(t.Context(), "logs_by_nothing"); err == nil {
		t.Error("an unknown index was made")
	}
	if names := missingIndexes(t, s); len(names) != 10 {
		t.Errorf("missing are %q", names)
	}
	if err := s.Commit(t.Context(), stored(t, 1006, 1010)); err != nil {
		t.Error(err)
	}
	if err := s.BuildIndex(t.Context(), "logs_by_topic"); err != nil {
		t.Error(err)
	}
}

func missingIndexes(t *testing.T, s *store.Store) []string {
	t.Helper()
	names, err := s.MissingIndexes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// storedLogs reads the logs of a range as eth_getLogs does.
func storedLogs(t *testing.T, s *store.Store, first, last uint64) (found []string) {
	t.Helper()
	err := s.View(t.Context(), func(v *store.View) error {
		q := &store.LogQuery{First: first, Last: last, Addresses: []common.Address{searched}}
		return v.Logs(t.Context(), q, func(l *store.FoundLog) error {
			found = append(found, fmt.Sprintf("%d-%d %x", l.At.Block.Number, l.At.Log, l.Data))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// schemaOf gives the statements that make the schema, by name.
func schemaOf(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	made := make(map[string]string)
	err := s.Raw(func(db *sql.DB) error {
		rows, err := db.QueryContext(t.Context(), `SELECT name, IFNULL(sql, '') FROM sqlite_schema`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, text string
			if err := rows.Scan(&name, &text); err != nil {
				return err
			}
			made[name] = text
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

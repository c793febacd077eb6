package store_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// Each form of a log query is served by the index that is meant for it.
func TestLogQueryPlans(t *testing.T) {
	s := newStore(t, 0)
	address, topic := []common.Address{{1}}, []common.Hash{{2}}
	for _, tt := range []struct {
		name  string
		query store.LogQuery
		want  string
	}{
		{"range", store.LogQuery{Last: 100}, "SEARCH l USING INTEGER PRIMARY KEY"},
		{"second topic", store.LogQuery{Last: 100, Topics: [][]common.Hash{nil, topic}}, "SEARCH l USING INTEGER PRIMARY KEY"},
		{"address", store.LogQuery{Last: 100, Addresses: address}, "SEARCH l USING INDEX logs_by_address (address=? AND block_number>? AND block_number<?)"},
		{"address and topic", store.LogQuery{Last: 100, Addresses: address, Topics: [][]common.Hash{topic}}, "SEARCH l USING INDEX logs_by_address (address=? AND block_number>? AND block_number<?)"},
		{"topic", store.LogQuery{Last: 100, Topics: [][]common.Hash{topic}}, "SEARCH l USING INDEX logs_by_topic (topic0=? AND rowid>? AND rowid<?)"},
		{"topics", store.LogQuery{Last: 100, Topics: [][]common.Hash{{{2}, {3}}}}, "SEARCH l USING INDEX logs_by_topic (topic0=? AND rowid>? AND rowid<?)"},
		{"one block", store.LogQuery{First: 7, Last: 7, Addresses: address}, "SEARCH l USING INTEGER PRIMARY KEY"},
	} {
		plan, err := s.Plan(t.Context(), &tt.query)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{tt.want, "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"} {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, plan)
			}
		}
	}
}

// Views go on through rotations, each on one file or the other.
func TestViewsWhileRotating(t *testing.T) {
	s := newStore(t, 0)
	commit := func() {
		t.Helper()
		wants(t, s.Commit(t.Context(), stored(t, 0, 3)), nil)
	}
	commit()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for ctx.Err() == nil {
				err := s.View(ctx, func(v *store.View) error {
					number, err := v.Highest(math.MaxInt64)
					if errors.Is(err, store.ErrNotFound) {
						return nil
					}
					if err == nil {
						_, err = v.Block(number, store.PartAll)
					}
					return err
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		if _, err := s.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		wants(t, s.Identify(t.Context(), identity(0)), nil)
		commit()
	}
	cancel()
	group.Wait()
}

// A view of a closed reader is an error, and so is one that is waited for too
// long.
func TestViewEnds(t *testing.T) {
	s := newStore(t, 0)
	r, err := store.OpenReader(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	var hold func(int) error
	hold = func(left int) error { // takes all connections
		return r.View(t.Context(), func(*store.View) error {
			if left > 0 {
				return hold(left - 1)
			}
			return r.View(canceled, func(*store.View) error { return nil })
		})
	}
	if err := hold(store.MostSessions - 1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	wants(t, r.Close(), nil)
	if err := r.View(t.Context(), func(*store.View) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

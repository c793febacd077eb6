package store_test

import (
	"errors"
	"math"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

func TestIdentify(t *testing.T) {
	s := newStore(t, 5)
	first, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Epoch == [8]byte{} {
		t.Error("no epoch")
	}
	want := identity(5)
	want.Epoch = first.Epoch
	if first != want {
		t.Errorf("identity is %+v, want %+v", first, want)
	}

	other := func(change func(*store.Identity)) store.Identity {
		id := identity(5)
		change(&id)
		return id
	}
	for _, tt := range []struct {
		name string
		id   store.Identity
		want any // see wants
	}{
		{"the same", identity(5), nil},
		{"another start", identity(7), nil},
		{"another client", other(func(id *store.Identity) { id.Client = "Reth" }), nil},
		{"another chain id", other(func(id *store.Identity) { id.ChainID = 1 }), "the node serves 1; give each chain its own --db"},
		{"another genesis", other(func(id *store.Identity) { id.Genesis = wrongHash }), "the chain was reset"},
		{"a fork", other(func(id *store.Identity) { id.Fork = &store.Tag{Number: 3, Hash: wrongHash} }), "another fork of its live chain"},
		{"another chain", store.Identity{ChainID: 1, Genesis: wrongHash}, "the node serves 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Identify(t.Context(), tt.id)
			wants(t, err, tt.want)
			var ie *store.IdentityError
			if err != nil && (!errors.As(err, &ie) || ie.File != first || ie.Node != tt.id) {
				t.Errorf("the error is %#v", err)
			}
			if now, err := s.Identity(t.Context()); err != nil || now != first {
				t.Errorf("identity is now %+v, %v", now, err)
			}
		})
	}
}

func TestIdentifyOfWideNumbers(t *testing.T) {
	s, err := store.Open(t.Context(), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	id := store.Identity{ChainID: math.MaxUint64, Genesis: common.Hash{31: 1}, Start: 1 << 39}
	if err := s.Identify(t.Context(), id); err == nil {
		t.Error("a start block that no block can have is taken")
	}
	id.Start = 1<<39 - 1
	if err := s.Identify(t.Context(), id); err != nil {
		t.Error(err)
	}
	if got, err := s.Identity(t.Context()); err != nil || got.ChainID != id.ChainID || got.Start != id.Start {
		t.Errorf("identity is %+v, %v", got, err)
	}
}

func TestSetFinality(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3))
	final, safe := anchor(1), anchor(2)
	for _, tt := range []struct {
		finalized, safe *store.Tag
		want            []any
	}{
		{(*store.Tag)(&final), (*store.Tag)(&safe), []any{int64(1), final.Hash[:], int64(2), safe.Hash[:]}},
		{(*store.Tag)(&final), nil, []any{int64(1), final.Hash[:], nil, nil}},
		{nil, nil, []any{nil, nil, nil, nil}},
	} {
		if err := s.SetFinality(t.Context(), tt.finalized, tt.safe); err != nil {
			t.Fatal(err)
		}
		finalized, safe, err := s.Finality(t.Context())
		if diff := cmp.Diff([]*store.Tag{tt.finalized, tt.safe}, []*store.Tag{finalized, safe}); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
		row := rowsOf(t, s.Path(), `SELECT finalized_number, finalized_hash, safe_number, safe_hash FROM chain`)[0]
		for i := range row {
			if b, ok := row[i].([]byte); ok && string(b) == string(tt.want[i].([]byte)) {
				continue
			}
			if _, blob := row[i].([]byte); blob || row[i] != tt.want[i] {
				t.Errorf("column %d is %v, want %v", i, row[i], tt.want[i])
			}
		}
	}
}

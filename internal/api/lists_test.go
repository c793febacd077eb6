package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/rest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// indexedAt is what differs from run to run.
var indexedAt = regexp.MustCompile(`"(indexed_at|at|created_at)": "[^"]*"`)

// Every list answers as it did.
func TestLists(t *testing.T) {
	f := newFixture(t)
	f.commit(260, 10, 20, 30, 31, 32)
	f.golden("lists",
		"blocks?limit=2",
		"blocks?from=9&to=11&order=asc",
		"transactions?limit=2",
		"transactions?from=200&limit=2&order=asc",
		"logs?limit=2&to=250",
		"transfers?limit=3&to=250",
		"tokens?limit=2",
		"failed?limit=2",
		"failed?limit=2&cursor=21",
		"coverage?parts=4",
		"coverage?from=28&to=33&parts=10",
		"journal?limit=2&kind=failed",
	)
}

// golden compares what is answered with what was.
func (f *fixture) golden(name string, paths ...string) {
	f.t.Helper()
	var all strings.Builder
	for _, path := range paths {
		answer := f.do("GET", "/api/v1/"+path, "")
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			f.t.Fatal(path, err)
		}
		fmt.Fprintf(&all, "GET /api/v1/%s\nHTTP %s\n%s\n", path, answer.Status, indented(f.t, body))
	}
	path := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		f.t.Errorf("(-want +got)\n%s", diff)
	}
}

func indented(t testing.TB, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return indexedAt.ReplaceAllString(out.String(), `"$1": "…"`)
}

// walk goes through all pages of a list.
func walk[T any](f *fixture, path string) (all []T) {
	f.t.Helper()
	for next := ""; ; {
		p := read[rest.Page[T]](f.t, f.do("GET", path+next, ""))
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		next = "&cursor=" + p.Next
	}
}

// The cursor of a page leads to the next, and nothing is left out or given
// twice.
func TestCursors(t *testing.T) {
	f := newFixture(t)
	f.commit(260, 10, 20, 30, 31, 32)
	var missing []uint64
	for _, row := range walk[rest.Failed](f, "/api/v1/failed?limit=2") {
		missing = append(missing, row.Number)
	}
	if diff := cmp.Diff([]uint64{10, 20, 30, 31, 32}, missing); diff != "" {
		t.Errorf("missing (-want +got)\n%s", diff)
	}
	if p := read[rest.RangePage[rest.Block]](t, f.do("GET", "/api/v1/blocks?from=5&to=40&limit=5&cursor=34-0-0", "")); p.Missing != 3 || p.Next != "26-0-0" {
		t.Errorf("%d missing, next %s", p.Missing, p.Next)
	}
	compare[rest.Block](t, f, "blocks", 256)
	compare[rest.Transaction](t, f, "transactions", 1)
	compare[rest.Log](t, f, "logs", 1)
	compare[rest.Transfer](t, f, "transfers", 1)
	compare[rest.Token](t, f, "tokens", 1)
	compare[rest.JournalEntry](t, f, "journal", 1)
}

// compare takes a list in small pages and in one.
func compare[T any](t testing.TB, f *fixture, list string, least int) {
	t.Helper()
	whole := read[rest.Page[T]](t, f.do("GET", "/api/v1/"+list+"?limit=1000", ""))
	small := walk[T](f, "/api/v1/"+list+"?limit=3")
	if diff := cmp.Diff(whole.Items, small); diff != "" || len(small) < least || whole.Next != "" {
		t.Errorf("%s: %d rows in small pages (-one page +small pages)\n%s", list, len(small), diff)
	}
}

// An address is described by what is stored of it.
func TestAddress(t *testing.T) {
	f := newFixture(t)
	f.commit(260)
	tokens := walk[rest.Token](f, "/api/v1/tokens?limit=10")
	if len(tokens) == 0 {
		t.Fatal("no token")
	}
	a := read[rest.Address](t, f.do("GET", fmt.Sprintf("/api/v1/addresses/%s", tokens[0].Address), ""))
	if a.Token == nil || *a.Token != tokens[0] || a.Logs.First == nil || *a.Logs.First > *a.Logs.Last {
		t.Errorf("%+v", a)
	}
	nobody := read[rest.Address](t, f.do("GET", "/api/v1/addresses/0x00000000000000000000000000000000000000fe", ""))
	if nobody.Created != nil || nobody.Token != nil || nobody.Transactions.First != nil {
		t.Errorf("%+v", nobody)
	}
}

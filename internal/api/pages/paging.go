package pages

import (
	"net/http"

	"gapless/internal/store"
)

// rowsShown is how many rows a page of a list has.
const rowsShown = 50

// A listing is one page of a list, with the way to the next.
type listing[R any] struct {
	Rows []R
	Next string // URL; empty on the last page
	Top  string // URL of the first page; empty on it
}

// paged looks up the page of a list that a request asks for by after=, and says
// how the page after it is asked for.
func paged[R any](r *http.Request, list func(store.Range) ([]R, error), position func(*R) store.Position) (listing[R], error) {
	which := store.Everything(rowsShown + 1)
	var err error
	if which.After, err = after(r); err != nil {
		return listing[R]{}, err
	}
	rows, err := list(which)
	if err != nil {
		return listing[R]{}, err
	}
	l := listing[R]{Rows: rows}
	if which.After != nil {
		l.Top = with(r, "after", "")
	}
	if len(rows) > rowsShown {
		l.Rows = rows[:rowsShown]
		p := position(&rows[rowsShown-1])
		l.Next = with(r, "after", p.String())
	}
	return l, nil
}

// with is what a request asks for, with another value of a parameter.
func with(r *http.Request, name, value string) string {
	q := r.URL.Query()
	if value == "" {
		q.Del(name)
	} else {
		q.Set(name, value)
	}
	return here(r, q.Encode())
}

// after reads where the page before has ended, nil if it is the first.
func after(r *http.Request) (*store.Position, error) {
	text := r.URL.Query().Get("after")
	if text == "" {
		return nil, nil
	}
	p, err := store.ParsePosition(text)
	if err != nil {
		return nil, badRequest("%s is not a place in a list", plain(text))
	}
	return &p, nil
}

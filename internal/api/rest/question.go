package rest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/api/problem"
	"gapless/internal/store"
)

// How many rows a page has.
const (
	usualLimit = 100
	mostLimit  = 1000
)

// LastBlock is the highest number that a range may have.
const LastBlock = math.MaxInt64

// A question is what a request asks for. What is wrong with it is kept until
// all of it was read.
type question struct {
	path   func(name string) string
	values url.Values
	known  []string // names of the query that were read
	err    error    // the first that was wrong
}

// A refusal is an error that is the asker's.
type refusal struct {
	status  int
	text    string
	missing *Failed // if it is because a block is missing
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// answerTime is how long a question may take.
const answerTime = 10 * time.Second

// answers makes a handler of a function that looks something up.
func answers(look func(context.Context, *question) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			problem.Write(w, http.StatusBadRequest, "the query can't be read: %s", err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		v, err := look(ctx, &question{path: r.PathValue, values: values})
		if err != nil {
			fail(w, ctx, err)
			return
		}
		writeTagged(w, r, v)
	}
}

// fail answers with the problem that err is.
func fail(w http.ResponseWriter, ctx context.Context, err error) {
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.missing != nil:
		failMissing(w, refused)
	case errors.As(err, &refused):
		problem.Write(w, refused.status, "%s", refused.text)
	case errors.Is(err, store.ErrNoChain), errors.Is(err, store.ErrUnindexed):
		problem.Write(w, http.StatusServiceUnavailable, "%s", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		problem.Write(w, http.StatusServiceUnavailable, "this took longer than %s: ask for fewer blocks or rows", answerTime)
	default:
		problem.Write(w, http.StatusInternalServerError, "%s", err)
	}
}

// failMissing answers that what was asked for is missing, with the row that says
// why, and when it is worth to ask again.
func failMissing(w http.ResponseWriter, r *refusal) {
	if next := r.missing.NextRetryAt; !next.IsZero() {
		seconds := max(time.Until(next)/time.Second+1, 1)
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	problem.WriteDetails(w, r.status, struct {
		problem.Details
		Missing *Failed `json:"missing"`
	}{problem.New(r.status, r.text), r.missing})
}

// done says what was wrong, if anything. A name that nobody read is, and so is a
// second value: they would be filters that do not filter.
func (q *question) done() error {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		switch {
		case len(q.values[name]) > 1:
			q.fail("%.40s is given %d times", name, len(q.values[name]))
		case !slices.Contains(q.known, name):
			q.fail("there is no parameter %.40q%s", name, q.others())
		}
	}
	return q.err
}

// others names the parameters that there are.
func (q *question) others() string {
	if len(q.known) == 0 {
		return ": this takes none"
	}
	return "; there are " + strings.Join(q.known, ", ")
}

func (q *question) fail(format string, args ...any) {
	if q.err == nil {
		q.err = refuse(http.StatusBadRequest, format, args...)
	}
}

// text reads a parameter of the query; empty if it is not there.
func (q *question) text(name string) string {
	q.known = append(q.known, name)
	return q.values.Get(name)
}

// number reads a number of the query, which must be within bounds.
func (q *question) number(name string, usual, least, most uint64) uint64 {
	text := q.text(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		q.fail("%s must be a number from %d to %d", name, least, most)
	}
	return n
}

// word reads one of some words; the first is the usual one.
func (q *question) word(name string, words ...string) string {
	text := q.text(name)
	if text == "" {
		return words[0]
	}
	if !slices.Contains(words, text) {
		q.fail("%s must be one of %s", name, strings.Join(words, ", "))
	}
	return text
}

// address reads an address of the query, nil if it is not there.
func (q *question) address(name string) *common.Address {
	return fixed[common.Address](q, name, q.text(name))
}

// hash reads a hash of the query, nil if it is not there.
func (q *question) hash(name string) *common.Hash {
	return fixed[common.Hash](q, name, q.text(name))
}

// fixed reads bytes of known length, nil if there are none.
func fixed[T ~[20]byte | ~[32]byte](q *question, name, text string) *T {
	if text == "" {
		return nil
	}
	v, ok := parseFixed[T](text)
	if !ok {
		q.fail("%s must be 0x and %d hex digits", name, 2*len(v))
	}
	return &v
}

// parseFixed reads hex of known length, with or without 0x.
func parseFixed[T ~[20]byte | ~[32]byte](text string) (v T, ok bool) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(b) != len(v) {
		return v, false
	}
	for i := range b {
		v[i] = b[i]
	}
	return v, true
}

// pathAddress reads the address in the path.
func (q *question) pathAddress() common.Address {
	if a := fixed[common.Address](q, "the address", q.path("address")); a != nil {
		return *a
	}
	return common.Address{}
}

// pathHash reads the hash in the path.
func (q *question) pathHash() common.Hash {
	if a := fixed[common.Hash](q, "the hash", q.path("hash")); a != nil {
		return *a
	}
	return common.Hash{}
}

// rows reads the parameters of every list: limit and cursor, and the range of
// blocks and the order.
func (q *question) rows() store.Range {
	r := store.Range{
		From:      q.number("from", 0, 0, LastBlock),
		To:        q.number("to", LastBlock, 0, LastBlock),
		Ascending: q.word("order", "desc", "asc") == "asc",
		Limit:     q.limit(),
	}
	if r.From > r.To {
		q.fail("there are no blocks from %d to %d", r.From, r.To)
	}
	if text := q.text("cursor"); text != "" {
		p, err := store.ParsePosition(text)
		if err != nil {
			q.fail("cursor must be the next of an earlier page")
		}
		r.After = &p
	}
	return r
}

// limit reads how many rows a page has.
func (q *question) limit() int { return int(q.number("limit", usualLimit, 1, mostLimit)) }

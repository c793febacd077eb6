package pages

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

const (
	blocksShown  = 12  // on the first page
	blocksDrawn  = 100 // in the plots
	missingShown = 5   // on the first page
)

// A homeView is the first page.
type homeView struct {
	Map     coverageMap
	Blocks  []store.Summary
	Missing []rest.Failed
	Gas     plot
	Load    plot
}

func (h *Handler) home(r *http.Request) (view, error) {
	ctx := r.Context()
	start, next, err := h.bounds(ctx)
	if err != nil {
		return view{}, err
	}
	v := homeView{}
	if v.Map, err = h.coverage(r, start, next); err != nil {
		return view{}, err
	}
	blocks, err := h.store().Summaries(ctx, store.Everything(blocksDrawn))
	if err != nil {
		return view{}, err
	}
	v.Blocks = slices.Clone(blocks[:min(len(blocks), blocksShown)])
	slices.Reverse(blocks)
	v.Gas, v.Load = gasPlot(blocks), transactionPlot(blocks)
	v.Missing, err = h.someMissing(ctx)
	return view{template: "home.html", title: "gapless", content: v}, err
}

// someMissing gives the lowest of the missing blocks.
func (h *Handler) someMissing(ctx context.Context) ([]rest.Failed, error) {
	rows, err := h.store().FailedFrom(ctx, 0, missingShown)
	found := make([]rest.Failed, len(rows))
	for i := range rows {
		found[i] = rest.NewFailed(&rows[i])
	}
	return found, err
}

// mapParts is into how many parts the coverage map is divided at most.
const mapParts = 240

// longestRun is how many parts are drawn as one. It can be looked at closer, and
// so must not be all of the map.
const longestRun = mapParts / 12

// A coverageMap is a strip of all block numbers of a range, from left to right.
type coverageMap struct {
	From, To                uint64
	Width                   uint64 // numbers in a part
	Parts                   int
	Runs                    []run
	Stored, Missing, Ahead  uint64
	Skipped                 uint64 // of Missing
	Mixed                   bool   // a run has stored blocks beside missing ones
	Out, Left, Right, Whole string // URLs from the root, of other ranges; empty where there is none
}

// A run is neighbouring parts of a map that look the same.
type run struct {
	First, Last     uint64 // block numbers
	X, Width        int    // in parts
	State           string // stored, missing, part, skipped or ahead
	Missing         uint64
	To, Description string
}

// coverage makes the map of the range that a request asks for by from= and to=,
// or of the whole chain, as far as the node has told its head.
func (h *Handler) coverage(r *http.Request, start, next uint64) (coverageMap, error) {
	end := max(next, start+1) - 1
	if st, err := h.rest.Status(r.Context()); err == nil && st.ChainHead != nil {
		end = max(end, *st.ChainHead)
	}
	from, to, err := rangeOf(r, start, end)
	if err != nil {
		return coverageMap{}, err
	}
	c, err := h.store().Coverage(r.Context(), from, to, mapParts)
	if err != nil {
		return coverageMap{}, err
	}
	m := coverageMap{From: from, To: to, Width: c.Width, Parts: len(c.Parts)}
	for i, p := range c.Parts {
		m.add(i, p)
	}
	m.zoom(start, end)
	return m, nil
}

// rangeOf reads from= and to=, within what there is.
func rangeOf(r *http.Request, start, end uint64) (from, to uint64, err error) {
	from, to = start, end
	for name, at := range map[string]*uint64{"from": &from, "to": &to} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *at, err = strconv.ParseUint(text, 10, 63); err != nil {
			return 0, 0, badRequest("%s must be a block number, not %s", name, plain(text))
		}
	}
	from, to = min(max(from, start), end), min(max(to, start), end)
	if from > to {
		return 0, 0, badRequest("There are no blocks from %d to %d.", from, to)
	}
	return from, to, nil
}

// add puts a part at the end of the map.
func (m *coverageMap) add(i int, p store.CoveragePart) {
	size := p.Last - p.First + 1
	m.Stored, m.Missing, m.Ahead = m.Stored+p.Stored, m.Missing+p.Missing, m.Ahead+size-p.Stored-p.Missing
	state := stateOf(p, size)
	m.Skipped, m.Mixed = m.Skipped+p.Skipped, m.Mixed || state == "part"
	if n := len(m.Runs); n > 0 && m.Runs[n-1].State == state && m.Width > 1 && m.Runs[n-1].Width < longestRun {
		last := &m.Runs[n-1]
		last.Last, last.Width, last.Missing = p.Last, last.Width+1, last.Missing+p.Missing
	} else {
		m.Runs = append(m.Runs, run{First: p.First, Last: p.Last, X: i, Width: 1, State: state, Missing: p.Missing})
	}
	m.Runs[len(m.Runs)-1].describe()
}

func stateOf(p store.CoveragePart, size uint64) string {
	switch {
	case p.Missing > 0 && p.Skipped == p.Missing:
		return "skipped"
	case p.Missing == size:
		return "missing"
	case p.Missing > 0:
		return "part"
	case p.Stored == 0:
		return "ahead"
	}
	return "stored"
}

// describe says in words what a run is, and where it leads.
func (r *run) describe() {
	name := fmt.Sprintf("blocks %s to %s", thousands(fmt.Sprint(r.First)), thousands(fmt.Sprint(r.Last)))
	r.To = fmt.Sprintf("./?from=%d&to=%d", r.First, r.Last)
	if r.First == r.Last {
		name = fmt.Sprintf("block %s", thousands(fmt.Sprint(r.First)))
		r.To = fmt.Sprintf("block/%d", r.First)
	}
	words := map[string]string{
		"stored": "stored", "missing": "missing", "skipped": "missing, some of it skipped", "ahead": "not there yet",
		"part": thousands(fmt.Sprint(r.Missing)) + " missing",
	}
	r.Description = name + ": " + words[r.State]
}

// zoom works out the ranges around the one that is shown.
func (m *coverageMap) zoom(start, end uint64) {
	width := m.To - m.From + 1
	if m.From == start && m.To == end {
		return
	}
	show := func(from, to uint64) string { return fmt.Sprintf("./?from=%d&to=%d", from, to) }
	m.Whole = "./"
	m.Out = show(m.From-min(width, m.From-start), m.To+min(width, end-m.To))
	if m.From > start {
		step := min(width, m.From-start)
		m.Left = show(m.From-step, m.To-step)
	}
	if m.To < end {
		step := min(width, end-m.To)
		m.Right = show(m.From+step, m.To+step)
	}
}

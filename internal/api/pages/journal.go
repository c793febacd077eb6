package pages

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gapless/internal/store"
)

// A journalView is some of what happened to the file, the last first.
type journalView struct {
	Rows      []journalRow
	Tabs      []tab
	Next, Top string
}

type journalRow struct {
	store.JournalRow
	Unix   uint64
	Detail journalDetail
}

// A journalDetail is what rows of the journal say beside the block numbers.
type journalDetail struct {
	Class   string   `json:"class"`
	Message string   `json:"message"`
	File    string   `json:"file"`
	Depth   uint64   `json:"depth"`
	Old     []string `json:"old"`
	New     []string `json:"new"`
}

func (d journalDetail) ShownOld() []string { return d.Old[:min(len(d.Old), mostListed)] }
func (d journalDetail) ShownNew() []string { return d.New[:min(len(d.New), mostListed)] }

var journalKinds = []string{"all", "reorg", "reset", "failed", "filled", "pruned", "blocks"}

func (h *Handler) journal(r *http.Request) (view, error) {
	kind := r.URL.Query().Get("show")
	if !slices.Contains(journalKinds, kind) {
		kind = "all"
	}
	v := journalView{Tabs: tabs(r, kind, journalKinds...)}
	before := int64(math.MaxInt64)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if before, err = strconv.ParseInt(text, 10, 64); err != nil {
			return view{}, badRequest("%s is not a place in a list", plain(text))
		}
		v.Top = with(r, "after", "")
	}
	if kind == "all" {
		kind = ""
	}
	rows, err := h.store().JournalBefore(r.Context(), before, kind, rowsShown+1)
	if len(rows) > rowsShown {
		rows = rows[:rowsShown]
		v.Next = with(r, "after", strconv.FormatInt(rows[rowsShown-1].Seq, 10))
	}
	for _, row := range rows {
		v.Rows = append(v.Rows, newJournalRow(row))
	}
	return view{template: "journal.html", title: "Journal", content: &v}, err
}

func newJournalRow(row store.JournalRow) journalRow {
	j := journalRow{JournalRow: row, Unix: uint64(max(row.At.Truncate(time.Second).Unix(), 0))}
	_ = json.Unmarshal([]byte(row.Detail), &j.Detail) // what can't be read is not shown
	return j
}

package pages

import (
	"context"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A transferRow is a transfer in a list, with what its token says of itself.
type transferRow struct {
	store.TransferSummary
	Named *tokenName // nil if that is not known
}

// A tokenRow is a token in a list.
type tokenRow struct {
	store.Token
	Named *tokenName
}

// nameTransfers adds to transfers what their tokens say of themselves.
func (h *Handler) nameTransfers(ctx context.Context, l listing[store.TransferSummary]) listing[transferRow] {
	tokens := make(map[common.Address]int)
	for i := range l.Rows {
		tokens[l.Rows[i].Token] = l.Rows[i].Standard
	}
	named := h.state.tokenNames(ctx, tokens)
	rows := make([]transferRow, len(l.Rows))
	for i := range l.Rows {
		rows[i] = transferRow{l.Rows[i], named[l.Rows[i].Token]}
	}
	return listing[transferRow]{Rows: rows, Next: l.Next, Top: l.Top}
}

// nameToken gives what one token says of itself.
func (h *Handler) nameToken(ctx context.Context, t *store.Token) *tokenName {
	return h.state.tokenNames(ctx, map[common.Address]int{t.Address: t.Standard})[t.Address]
}

// mostAmount is how long an amount in a table may be, in characters.
const mostAmount = 30

// amount writes an amount of a token in its own units where those are known,
// else in the smallest. One that is too long for a table is rounded.
func amount(v uint256.Int, of *tokenName) string {
	decimals := 0
	if of != nil && of.Decimals != nil {
		decimals = *of.Decimals
	}
	text := units(&v, decimals)
	if len(text) > mostAmount {
		return fmt.Sprintf("≈ %.4g", v.Float64()/math.Pow10(decimals))
	}
	return text
}

// transferViews are the transfers of a transaction's logs.
func (h *Handler) transferViews(ctx context.Context, logs []chain.Log, firstLog int) (views []transferView, more int) {
	tokens := make(map[common.Address]int)
	for i := range logs {
		for _, t := range logs[i].Transfers() {
			if len(views) == logsShown {
				more++
				continue
			}
			tokens[t.Token] = t.Standard
			views = append(views, transferView{Transfer: t, LogIndex: firstLog + i})
		}
	}
	named := h.state.tokenNames(ctx, tokens)
	for i := range views {
		views[i].Named = named[views[i].Token]
	}
	return views, more
}

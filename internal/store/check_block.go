package store

import (
	"fmt"
	"slices"

	"gapless/internal/chain"
)

// check proves what one block can show by itself, and makes its checks.
func (l *loaded) check(transfers []transferRow) (faults []Fault) {
	add := func(promise, why string) {
		if why != "" {
			faults = append(faults, Fault{promise, l.block.Number, why})
		}
	}
	add(Whole, l.whole())
	if len(faults) > 0 {
		return faults
	}
	if err := l.block.Restore(); err != nil {
		add(Verified, err.Error())
		return faults
	}
	l.findings, l.made = chain.Findings(l.block, chain.AllChecks), true
	l.otherTransfers = !slices.EqualFunc(l.transferRows(), transfers, sameTransfer)
	return faults
}

// whole compares counts and positions with what the rows claim. It returns
// what is wrong, or nothing.
func (l *loaded) whole() string {
	row := l.row
	withdrawals := uint64(0)
	if row.withdrawals != nil {
		withdrawals = *row.withdrawals
	}
	for _, why := range []string{
		l.dense("transactions", row.transactions, len(l.txs), func(i int) uint64 { return positionOf(l.txs[i].id).Index }),
		l.dense("logs", row.logs, len(l.logs), func(i int) uint64 { return positionOf(l.logs[i].id).Index }),
		l.dense("withdrawals", withdrawals, len(l.withdrawals), func(i int) uint64 { return l.withdrawals[i].at.Index }),
		l.dense("uncles", row.uncles, len(l.uncles), func(i int) uint64 { return l.uncles[i].at.Index }),
		l.shared(),
	} {
		if why != "" {
			return why
		}
	}
	return ""
}

// dense checks that rows are as many as claimed, at positions from 0 on.
func (l *loaded) dense(what string, claimed uint64, count int, position func(int) uint64) string {
	if uint64(count) != claimed {
		return fmt.Sprintf("has %d of %d %s", count, claimed, what)
	}
	for i := range count {
		if position(i) != uint64(i) {
			return fmt.Sprintf("row %d of its %s is at another position", i, what)
		}
	}
	return ""
}

// shared checks that each transaction has its share of the logs, in order.
func (l *loaded) shared() string {
	for i := range l.txs {
		if has := len(l.block.Transactions[i].Receipt.Logs); uint64(has) != l.txs[i].logs {
			return fmt.Sprintf("transaction %d has %d of %d logs", i, has, l.txs[i].logs)
		}
	}
	for i := 1; i < len(l.logs); i++ {
		if l.logs[i].transaction < l.logs[i-1].transaction {
			return fmt.Sprintf("log %d is of an earlier transaction than the log before it", i)
		}
	}
	return ""
}

// transferRows derives the transfers from the logs, as insert does.
func (l *loaded) transferRows() (rows []transferRow) {
	for i := range l.logs {
		for _, t := range l.logs[i].Log.Transfers() {
			rows = append(rows, transferOf(&l.logs[i], t))
		}
	}
	return rows
}

func sameTransfer(a, b transferRow) bool {
	return a.at == b.at && a.transaction == b.transaction && a.standard == b.standard && a.Token == b.Token &&
		a.From == b.From && a.To == b.To && a.Amount == b.Amount &&
		(a.TokenID == nil) == (b.TokenID == nil) && (a.TokenID == nil || *a.TokenID == *b.TokenID)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gapless/internal/chain"
)

// Exemptions are the checks that can't be computed on the file's chain, as
// [Store.Exempt] has kept them.
func (r *Reader) Exemptions(ctx context.Context) (all chain.Exemptions, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT check_bit, about, from_block FROM exemptions ORDER BY check_bit, about`)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var e chain.Exemption
		if err := rows.Scan(checks{&e.Check}, &e.About, integer{&e.From}); err != nil {
			return nil, explain(err)
		}
		all = append(all, e)
	}
	return all, explain(rows.Err())
}

// Exempt keeps that checks can't be computed on the file's chain. Of two that
// differ in their block, the lower stays.
func (s *Store) Exempt(ctx context.Context, decided []chain.Exemption) error {
	return s.write(ctx, func(w *writer) error {
		for _, e := range decided {
			err := w.exec(`INSERT INTO exemptions (check_bit, about, from_block, decided_at) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET from_block = min(from_block, excluded.from_block)`, int64(e.Check), e.About, clamp(e.From), now())
			if err != nil {
				return fmt.Errorf("exempt %s: %w", e, err)
			}
		}
		return nil
	})
}

// concerned says in SQL which blocks have something to compute for a check.
var concerned = map[chain.Check]string{
	chain.HeaderHash: "1", chain.UnclesHash: "1", chain.WithdrawalsRoot: "withdrawal_count > 0", chain.LogsBloom: "log_count > 0",
	chain.Contents: "transaction_count + ifnull(withdrawal_count, 0) + uncle_count > 0",
}

// PassedBetween reports whether a stored block from that of the exemption up to,
// and without, another passes what it is about.
func (r *Reader) PassedBetween(ctx context.Context, e chain.Exemption, end uint64) (passed bool, err error) {
	where, ok := concerned[e.Check]
	if !ok {
		where = "transaction_count > 0"
	}
	args := []any{clamp(e.From), clamp(end), int64(e.Check)}
	if txType, ok := e.Type(); ok {
		where = "EXISTS (SELECT 1 FROM transactions WHERE id >= number << 24 AND id < (number + 1) << 24 AND type = ?)"
		args = append(args, clamp(txType))
	}
	err = r.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blocks WHERE number >= ? AND number < ? AND checks_passed & ? <> 0 AND `+where+`)`, args...).
		Scan(&passed)
	return passed, explain(err)
}

// WrongAllowed reports whether blocks were stored though a check failed.
func (r *Reader) WrongAllowed(ctx context.Context) (allowed bool, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT wrong_allowed_at IS NOT NULL FROM chain`).Scan(&allowed)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoChain
	}
	return allowed, explain(err)
}

// An Unproved counts the stored blocks of which a check has not passed.
type Unproved struct {
	NotComputable, Failed map[chain.Check]uint64 // by single check
}

// Unproved counts blocks by what their verdicts say.
func (r *Reader) Unproved(ctx context.Context) (u Unproved, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT checks_not_computable, checks_failed, COUNT(*) FROM blocks
		WHERE checks_not_computable <> 0 OR checks_failed <> 0 GROUP BY 1, 2`)
	if err != nil {
		return u, explain(err)
	}
	defer rows.Close()
	u = Unproved{make(map[chain.Check]uint64), make(map[chain.Check]uint64)}
	for rows.Next() {
		var notComputable, failed chain.Check
		var count uint64
		if err := rows.Scan(checks{&notComputable}, checks{&failed}, integer{&count}); err != nil {
			return u, explain(err)
		}
		for check := chain.Check(1); check < chain.AllChecks; check <<= 1 {
			if notComputable&check != 0 {
				u.NotComputable[check] += count
			}
			if failed&check != 0 {
				u.Failed[check] += count
			}
		}
	}
	return u, explain(rows.Err())
}

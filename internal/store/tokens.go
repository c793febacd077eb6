package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/ethereum/go-ethereum/common"
)

// A Token is a contract that has logged transfers.
type Token struct {
	Address  common.Address
	Standard int      // of its first transfer: 20, 721 or 1155
	First    Position // of its first transfer
	Last     Position // of its last
}

// Tokens lists the tokens whose address is above after, in order of address;
// nil is from the beginning. It steps from token to token by the index, and
// fails with [ErrUnindexed] during the first sync.
func (r *Reader) Tokens(ctx context.Context, after *common.Address, limit int) ([]Token, error) {
	if err := r.mustBeIndexed(ctx); err != nil {
		return nil, err
	}
	var found []Token
	query, args := `SELECT min(token) FROM transfers`, []any{}
	if after != nil {
		query, args = `SELECT min(token) FROM transfers WHERE token > ?`, []any{after[:]}
	}
	for len(found) < limit {
		var next *common.Address
		if err := r.db.QueryRowContext(ctx, query, args...).Scan(optFixed[common.Address]{&next}); err != nil {
			return nil, explain(err)
		}
		if next == nil {
			break
		}
		t, err := r.Token(ctx, *next)
		if err != nil && !errors.Is(err, ErrNotFound) { // a rewind may have taken it
			return nil, err
		}
		if err == nil {
			found = append(found, *t)
		}
		query, args = `SELECT min(token) FROM transfers WHERE token > ?`, []any{next[:]}
	}
	return found, nil
}

// Token gives a token; [ErrNotFound] if no transfer of it is stored. It fails
// with [ErrUnindexed] during the first sync.
func (r *Reader) Token(ctx context.Context, address common.Address) (*Token, error) {
	if err := r.mustBeIndexed(ctx); err != nil {
		return nil, err
	}
	t := Token{Address: address}
	err := r.db.QueryRowContext(ctx, `SELECT standard, block_number, log_index FROM transfers WHERE token = ?
		ORDER BY block_number, log_index, batch_index LIMIT 1`, address[:]).
		Scan(&t.Standard, integer{&t.First.Block}, integer{&t.First.Index})
	if err == nil {
		err = r.db.QueryRowContext(ctx, `SELECT block_number, log_index FROM transfers WHERE token = ?
			ORDER BY block_number DESC, log_index DESC, batch_index DESC LIMIT 1`, address[:]).
			Scan(integer{&t.Last.Block}, integer{&t.Last.Index})
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return &t, explain(err)
}

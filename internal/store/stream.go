package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// stream reads rows into the places of columns and calls fn after each, for
// queries with thousands of rows. It talks to the driver itself, as rowWriter
// does: database/sql would take two locks for each row and look at each value
// once more. fn may not use the view. ctx may end it between two rows.
func (v *View) stream(ctx context.Context, query string, args []any, into []sql.Scanner, fn func() error) error {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	var failed error // not for Raw, which would hang up on some
	err := v.s.conn.Raw(func(raw any) error {
		failed = streamRows(ctx, raw, query, named, into, fn)
		return nil
	})
	if err != nil {
		return explain(err)
	}
	return failed // as it is: it may be fn's
}

func streamRows(ctx context.Context, raw any, query string, args []driver.NamedValue, into []sql.Scanner, fn func() error) error {
	statement, err := raw.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return explain(err)
	}
	defer statement.Close()
	rows, err := statement.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	values := make([]driver.Value, len(into))
	for {
		err := rows.Next(values)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return explain(err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		for i, at := range into {
			if err := at.Scan(values[i]); err != nil {
				return fmt.Errorf("column %s: %w", rows.Columns()[i], err)
			}
		}
		if err := fn(); err != nil {
			return err
		}
	}
}

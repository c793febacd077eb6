// Package schema brings a database file up to date.
//
// Each NNNN_what.sql is one migration. The file's user_version counts those
// that were applied; it is set in the migration's own transaction, as is the
// application_id with the first. (https://sqlite.org/pragma.html#pragma_user_version)
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ApplicationID marks a file as one of gapless: "gapl".
const ApplicationID = 0x6761706c

// ErrForeign is returned for a database of another program.
var ErrForeign = errors.New("not a file of gapless")

// ErrNewer is returned for a file of a newer version of gapless.
var ErrNewer = errors.New("made by a newer version of gapless")

//go:embed *.sql
var files embed.FS

// Version is the number of migrations that this program knows.
func Version() int { return len(names()) }

func names() []string {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return names
}

// Current reports whether the file on conn is up to date. It fails with
// [ErrForeign] or [ErrNewer], and writes nothing.
func Current(ctx context.Context, conn *sql.Conn) (bool, error) {
	version, err := version(ctx, conn)
	return version == Version(), err
}

// Migrate applies what is missing, each migration in a transaction of its own.
// It fails with [ErrForeign] or [ErrNewer] before it writes anything.
func Migrate(ctx context.Context, conn *sql.Conn) error {
	from, err := version(ctx, conn)
	if err != nil {
		return err
	}
	for _, name := range names()[from:] {
		if err := apply(ctx, conn, name); err != nil {
			return fmt.Errorf("schema: %s: %w", name, err)
		}
	}
	return nil
}

func version(ctx context.Context, conn *sql.Conn) (int, error) {
	var application, version, objects int
	err := conn.QueryRowContext(ctx, `SELECT a.application_id, v.user_version, (SELECT COUNT(*) FROM sqlite_schema)
		FROM pragma_application_id AS a, pragma_user_version AS v`).Scan(&application, &version, &objects)
	if err != nil {
		return 0, fmt.Errorf("schema: %w", err)
	}
	isNew := application == 0 && version == 0 && objects == 0
	switch {
	case application != ApplicationID && !isNew, version < 0:
		return 0, ErrForeign
	case version > Version():
		return 0, fmt.Errorf("%w: it has schema %d, this program knows %d", ErrNewer, version, Version())
	}
	return version, nil
}

func apply(ctx context.Context, conn *sql.Conn, name string) error {
	number, err := strconv.Atoi(strings.SplitN(name, "_", 2)[0])
	if err != nil {
		return err
	}
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
		text, ApplicationID, number)
	if _, err := conn.ExecContext(ctx, script); err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // none may be open
		return err
	}
	return nil
}

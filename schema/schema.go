// Package schema brings a database file up to date.
//
// Each NNNN_what.sql is one migration: the first makes the tables of an empty
// file, the others make of one schema the next. The file's user_version is the
// number of its schema; it is set in the migration's own transaction, as is the
// application_id with the first. (https://sqlite.org/pragma.html#pragma_user_version)
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// ApplicationID marks a file as one of gapless: "gapl".
const ApplicationID = 0x6761706c

// ErrForeign is returned for a database of another program.
var ErrForeign = errors.New("not a file of gapless")

// ErrOlder is returned for a file of a schema from which no migration leads here.
var ErrOlder = errors.New("made by an older version of gapless")

// ErrNewer is returned for a file of a newer version of gapless.
var ErrNewer = errors.New("made by a newer version of gapless")

//go:embed *.sql
var files embed.FS

// first is the number of the schema that 0001 makes. Until the first release a
// change of schema edits 0001 and raises this number; nothing is migrated.
const first = 5

// A Migration makes of one schema the next, or of an empty file the first.
type Migration struct {
	Name string // NNNN_what.sql
	SQL  string
}

// Migrations bring a file up to date: each makes a schema whose number is one
// higher than that of the one before it.
type Migrations []Migration

// All are the migrations that this program knows.
func All() Migrations {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := make(Migrations, len(names))
	for i, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		all[i] = Migration{name, string(text)}
	}
	return all
}

// Last is the number of the schema that a file has once it is up to date.
func (m Migrations) Last() int { return first + len(m) - 1 }

// after are the migrations that a file of a schema lacks; 0 is a new file.
func (m Migrations) after(version int) Migrations {
	if version == 0 {
		return m
	}
	return m[version-first+1:]
}

// upTo are the migrations that a file of a schema has had.
func (m Migrations) upTo(version int) Migrations { return m[:len(m)-len(m.after(version))] }

// Version gives the schema that the file on conn has, 0 if it is new. It fails
// with [ErrForeign], [ErrOlder], [ErrNewer] or [ErrAltered], writes nothing, and reads
// nothing but the schema. No transaction is open.
//
// A file that has all of ours and neither number was restored from what the sqlite3
// program's .dump wrote, which leaves them out: it is of the last schema.
func (m Migrations) Version(ctx context.Context, conn *sql.Conn) (int, error) {
	application, version, objects, err := read(ctx, conn)
	if err != nil {
		return 0, fmt.Errorf("schema: %w", err)
	}
	isNew := application == 0 && version == 0 && len(objects) == 0
	isRestored := application == 0 && version == 0 && !isNew && m.compare(ctx, objects) == nil
	switch {
	case isRestored:
		return m.Last(), nil
	case application != ApplicationID && !isNew, version < 0:
		return 0, ErrForeign
	case version > m.Last():
		return 0, fmt.Errorf("%w: it has schema %d, this program knows %d", ErrNewer, version, m.Last())
	case version > 0 && version < first:
		return 0, fmt.Errorf("%w: it has schema %d, this program reads %d and later; "+
			"index anew into another file, or export it with the version that made it and import that", ErrOlder, version, first)
	}
	if version == 0 && !isNew && len(objects) > 0 {
		return 0, fmt.Errorf("%w: it says that it has none, but there are tables", ErrAltered)
	}
	return version, m.upTo(version).compare(ctx, objects)
}

// read gives what a file says of its schema at one moment.
func read(ctx context.Context, conn *sql.Conn) (application, version int, objects []object, err error) {
	if _, err = conn.ExecContext(ctx, "BEGIN"); err != nil {
		return 0, 0, nil, err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }() // nothing was written
	if err = conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return 0, 0, nil, err
	}
	if err = conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, 0, nil, err
	}
	objects, err = readObjects(ctx, conn)
	return application, version, objects, err
}

// Migrate applies what is missing, each migration in a transaction of its own.
// It fails as Version does, before it writes anything.
func (m Migrations) Migrate(ctx context.Context, conn *sql.Conn) error {
	from, err := m.Version(ctx, conn)
	if err != nil {
		return err
	}
	if from == m.Last() {
		return mark(ctx, conn, from)
	}
	for _, migration := range m.after(from) {
		from = max(first, from+1)
		if err := migration.apply(ctx, conn, from); err != nil {
			return fmt.Errorf("schema: %s: %w", migration.Name, err)
		}
	}
	return nil
}

// mark writes the numbers of a file that has lost them.
func mark(ctx context.Context, conn *sql.Conn, number int) error {
	var application int
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil || application == ApplicationID {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", ApplicationID, number))
	return err
}

// apply makes the schema of a number.
func (m Migration) apply(ctx context.Context, conn *sql.Conn, number int) error {
	script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
		m.SQL, ApplicationID, number)
	// Else a view of somebody's own keeps a table from being exchanged.
	if _, err := conn.ExecContext(ctx, "PRAGMA legacy_alter_table = ON"); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, script)
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // none may be open
	}
	_, off := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA legacy_alter_table = OFF")
	return errors.Join(err, off)
}

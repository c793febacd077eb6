package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrAltered is returned for a file of gapless in which somebody changed what
// gapless made, or put something that SQLite would run when the file is used.
var ErrAltered = errors.New("this file's schema is not as gapless makes it")

// An object is what a file's schema has: a table, index, view or trigger.
type object struct {
	kind, name string
	table      string // that an index or trigger is on
	sql        string
}

// readObjects gives the objects of a file.
func readObjects(ctx context.Context, conn *sql.Conn) (all []object, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT type, name, tbl_name, IFNULL(sql, '') FROM sqlite_schema`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o object
		if err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

// compare fails with [ErrAltered] unless a file's objects are those that the
// migrations make, but for indexes, which may come later, and views, which nobody
// reads. What has other names is somebody else's and may stay, if it does nothing.
func (m Migrations) compare(ctx context.Context, objects []object) error {
	ours, err := m.objects(ctx)
	if err != nil {
		return err
	}
	if err := triggers(objects); err != nil {
		return err
	}
	found := make(map[string]bool)
	for _, o := range objects {
		name := strings.ToLower(o.name)
		if want, ok := ours[name]; ok {
			err = o.same(want)
		} else {
			err = o.harmless(ours)
		}
		if err != nil {
			return err
		}
		found[name] = true
	}
	for name, o := range ours {
		if o.kind == "table" && !found[name] {
			return fmt.Errorf("%w: there is no table %s", ErrAltered, o.name)
		}
	}
	return nil
}

// mostNamed is how many triggers an error names.
const mostNamed = 5

func triggers(objects []object) error {
	var names []string
	for _, o := range objects {
		if o.kind == "trigger" {
			names = append(names, fmt.Sprintf("%.40q", o.name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	rest := ""
	if more := len(names) - mostNamed; more > 0 {
		names, rest = names[:mostNamed], fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%w: it has triggers, which would run when it is written to: %s%s", ErrAltered, strings.Join(names, ", "), rest)
}

// same fails unless an object with a name of ours is what ours is.
func (o object) same(want object) error {
	switch {
	case o.kind != want.kind:
		return fmt.Errorf("%w: %s is of kind %.20q, and not %.20q", ErrAltered, want.name, o.kind, want.kind)
	case o.kind != "view" && tokens(o.sql) != tokens(want.sql):
		return fmt.Errorf("%w: the %s %s is another", ErrAltered, want.kind, want.name)
	}
	return nil
}

// harmless fails if an object that is none of ours would be taken for a part of
// SQLite, or computes something whenever a table of ours is written to.
func (o object) harmless(ours map[string]object) error {
	if strings.HasPrefix(strings.ToLower(o.name), "pragma_") {
		return fmt.Errorf("%w: the name of the %.20s %.40q stands for a part of SQLite", ErrAltered, o.kind, o.name)
	}
	if _, on := ours[strings.ToLower(o.table)]; on && o.kind == "index" && strings.Count(tokens(o.sql), "(") > 1 {
		return fmt.Errorf("%w: the index %.40q computes something of each row", ErrAltered, o.name)
	}
	return nil
}

// Tables names the tables that the migrations make, in order.
func (m Migrations) Tables(ctx context.Context) (names []string, err error) {
	all, err := m.objects(ctx)
	for _, o := range all {
		if o.kind == "table" {
			names = append(names, o.name)
		}
	}
	slices.Sort(names)
	return names, err
}

// Described gives the SQL of each table that the migrations make, as SQLite keeps it.
func (m Migrations) Described(ctx context.Context) (map[string]string, error) {
	all, err := m.objects(ctx)
	described := make(map[string]string)
	for _, o := range all {
		if o.kind == "table" {
			described[o.name] = o.sql
		}
	}
	return described, err
}

// made are the objects of all schemas that were asked for, by their SQL.
var made sync.Map

// objects gives what the migrations make, by name in lower case, from a file in
// memory.
func (m Migrations) objects(ctx context.Context) (_ map[string]object, err error) {
	var key strings.Builder
	for _, migration := range m {
		key.WriteString(migration.SQL)
	}
	if known, ok := made.Load(key.String()); ok {
		return known.(map[string]object), nil
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for i, migration := range m {
		if err := migration.apply(ctx, conn, first+i); err != nil {
			return nil, err
		}
	}
	list, err := readObjects(ctx, conn)
	if err != nil {
		return nil, err
	}
	all := make(map[string]object)
	for _, o := range list {
		if o.sql != "" { // else it is an index that SQLite makes for a table
			all[strings.ToLower(o.name)] = o
		}
	}
	made.Store(key.String(), all)
	return all, nil
}

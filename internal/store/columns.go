package store

import "strings"

// A column binds a column of a table to a place in a Go value, for writing
// (driver.Valuer) as for reading (sql.Scanner), so that the two can't differ.
type column struct {
	name string
	at   any
}

// insertInto is the statement that writes a row of these columns, and of those that
// follow from them.
func insertInto(table string, columns []column) string {
	into, values := names(columns), "?"+strings.Repeat(", ?", len(columns)-1)
	for _, d := range derivedColumns[table] {
		into, values = into+", "+d.name, values+", "+d.sql
	}
	return "INSERT INTO " + table + " (" + into + ") VALUES (" + values + ")"
}

// selectFrom is the statement that reads rows of these columns.
func selectFrom(table string, columns []column, where string) string {
	return "SELECT " + names(columns) + " FROM " + table + " WHERE " + where
}

func names(columns []column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// places gives what Exec and Scan take.
func places(columns []column) []any {
	at := make([]any, len(columns))
	for i, c := range columns {
		at[i] = c.at
	}
	return at
}

package store

// lookForLitestream looks whether Litestream replicates the file, which shows by
// a table that it makes, each time the schema has changed. If it does, the -wal
// is cut off wherever it begins anew.
//
// Litestream keeps others from beginning the -wal anew while it runs. When it
// comes back after a while, it looks in the -wal for the page that it read last.
// If that is still where it was, it reads on, and misses what was written behind
// it, taken into the file, and has made room for the present beginning of the
// -wal: its replica is then damaged. A -wal that was cut off is too short, or has
// another page there; then Litestream begins with the whole file.
func (w *writer) lookForLitestream() error {
	var changes int64
	if _, err := w.get(`PRAGMA schema_version`, nil, []any{&changes}); err != nil || changes == w.schema {
		return err
	}
	w.schema = changes
	var err error
	if w.litestream, err = w.get(`SELECT 1 FROM sqlite_schema WHERE name = '_litestream_seq'`, nil, []any{new(int)}); err != nil {
		return err
	}
	limit := `PRAGMA journal_size_limit = 67108864`
	if w.litestream {
		limit = `PRAGMA journal_size_limit = 0`
	}
	_, err = w.get(limit, nil, []any{new(int64)})
	return err
}

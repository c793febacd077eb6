package store

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/ethereum/go-ethereum/common"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gapless/schema"
)

var (
	// ErrLocked: another process writes to the file.
	ErrLocked = errors.New("another gapless has this file open for writing")
	// ErrUnwritable: the file, its folder, or what SQLite keeps beside the file
	// can't be written.
	ErrUnwritable = errors.New("the file and its folder must be writable")
	// ErrForeign: the file is another program's.
	ErrForeign = schema.ErrForeign
	// ErrOlder: the file's schema is one that this program does not read any more.
	ErrOlder = schema.ErrOlder
	// ErrNewer: the file's schema is newer than this program.
	ErrNewer = schema.ErrNewer
	// ErrAltered: somebody changed what gapless made in the file, or put something
	// there that would run.
	ErrAltered = schema.ErrAltered
	// ErrCorrupt: SQLite can't make sense of the file.
	ErrCorrupt = errors.New("the file is damaged; run `gapless verify` on a copy, or move it away to index anew; a backup is put in its place by `gapless restore`, never by copying it over")
	// ErrClosed: the store is closed or closing.
	ErrClosed = errors.New("store is closed")
	// ErrNoChain: the file is new and has no identity yet.
	ErrNoChain = errors.New("the file has no chain yet")
	// ErrObsolete: the block is no longer missing; nothing was changed.
	ErrObsolete = errors.New("the block is no longer missing")
	// ErrReplicated: Litestream replicates the file, and would go on with it
	// under its new name.
	ErrReplicated = errors.New("the file is replicated by Litestream, which can't follow when another takes its place")
	// ErrNotFound: the file has no such row.
	ErrNotFound = errors.New("not in the file")
)

// A NoRoom says why nothing can be written for now. The transaction left no
// trace; whoever waits and tries it again will get through.
type NoRoom string

func (e NoRoom) Error() string { return string(e) }

const (
	// ErrFull: the disk is full, or as full as it may become.
	ErrFull = NoRoom("disk is full")
	// ErrHeld: a reader of another program's keeps the -wal from being taken
	// into the file.
	ErrHeld = NoRoom("a reader holds the -wal")
	// ErrBusy: another program holds the write lock on the file for longer than
	// [busyWait].
	ErrBusy = NoRoom("another program holds the write lock on the file and has not ended its transaction; `fuser -v` and `lsof` tell which")
)

// A ForkError says that a block does not fit a stored neighbour. Nothing was
// changed.
type ForkError struct {
	Number    uint64      // the block that does not fit
	Neighbour uint64      // the stored block that it does not fit
	Want, Got common.Hash // the hash that links the two, by the file and by the block
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("block %d does not fit stored block %d: %s instead of %s", e.Number, e.Neighbour, e.Got, e.Want)
}

// An IdentityError says that a node serves another chain than the file is of.
type IdentityError struct{ File, Node Identity }

func (e *IdentityError) Error() string {
	if e.File.ChainID != e.Node.ChainID {
		return fmt.Sprintf("the file is of chain id %d, the node serves %d; give each chain its own --db", e.File.ChainID, e.Node.ChainID)
	}
	if e.File.Genesis == e.Node.Genesis {
		return "the chain was reset: it is another fork of its live chain than the file's; move the file away to index the new one"
	}
	return fmt.Sprintf("the chain was reset: its genesis is %s, the file's %s; move the file away to index the new chain",
		e.Node.Genesis, e.File.Genesis)
}

// explain gives SQLite's errors a meaning that callers can test.
func explain(err error) error {
	if what := badValue(err); what != "" {
		return fmt.Errorf("%w (%s)", ErrCorrupt, what)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ { // somebody cut it off
		return fmt.Errorf("%w (%w)", ErrCorrupt, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return ErrForeign
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w (%w)", ErrCorrupt, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	}
	if text := sentence(e.Code()); text != "" {
		return fmt.Errorf("%s: %w", text, err)
	}
	return err
}

// scanError is how database/sql says that a column has a value of another kind.
// Where it says why itself, the value is in it, which may be large.
var scanError = regexp.MustCompile(`(?s)^sql: Scan error on column index \d+, name "(.*?)": (converting|unsupported Scan)?(.*)`)

// badValue says which column has a value that can't be there; nothing if err is of
// something else.
func badValue(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		m := scanError.FindStringSubmatch(err.Error())
		switch {
		case m == nil:
		case m[2] != "":
			return fmt.Sprintf("column %s: a value of another kind", m[1])
		default:
			return fmt.Sprintf("column %s: %s", m[1], m[3])
		}
	}
	return ""
}

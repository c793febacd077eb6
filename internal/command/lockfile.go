package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gapless/internal/store"
)

// A notice is what a running process leaves in FILE.lock for the other
// commands. The file can only be read by its owner.
type notice struct {
	ID int `json:"pid,omitempty"`
	origin
	Token      string `json:"token,omitempty"`
	SessionKey string `json:"session_key,omitempty"` // of the pages; it stays there when the process ends
}

func lockPath(db string) string { return db + ".lock" }

// leave writes the notice into the lock file, whose inode must stay: it is
// what is locked. A session key that is there stays.
func (n notice) leave(db string) error {
	if n.SessionKey == "" {
		n.SessionKey = sessionKey(db)
	}
	content, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.Chmod(lockPath(db), 0o600); err != nil { // it may be older than the token
		return fmt.Errorf("lock file: %w", err)
	}
	if err := os.WriteFile(lockPath(db), append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	return nil
}

// withdraw takes the notice back.
func withdraw(db string) error {
	if sessionKey(db) == "" {
		return os.Truncate(lockPath(db), 0)
	}
	return notice{}.leave(db)
}

// sessionKey is the one in the lock file, empty if there is none.
func sessionKey(db string) string {
	n, _ := readNotice(db)
	return n.SessionKey
}

// readNotice gives the notice of the process that has the file, or perhaps of
// one that had it and died; ok is false if there is none.
func readNotice(db string) (n notice, ok bool) {
	content, err := os.ReadFile(lockPath(db))
	if err != nil || json.Unmarshal(content, &n) != nil {
		return notice{}, false
	}
	return n, n.ID != 0 // else a session key alone
}

// explainOpen says who has the file, if it is taken, or else what to do about
// an error of opening it for writing.
func explainOpen(err error, db string) error {
	path, _ := filepath.Abs(db) // was good enough to open
	n, ok := readNotice(path)
	if !errors.Is(err, store.ErrLocked) || !ok {
		return withHint(err)
	}
	if n.Address == "" {
		return fmt.Errorf("%w: process %d, which serves no page and can't be told anything: stop it first", err, n.ID)
	}
	return fmt.Errorf("%w: process %d, which serves %s; `gapless status --db %s` tells how it does", err, n.ID, n.url(), pasted(db))
}

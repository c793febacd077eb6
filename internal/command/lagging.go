package command

import (
	"errors"
	"fmt"

	"gapless/indexer"
)

// laggingLine says that the node is waited for because it is behind the file.
func laggingLine(x indexer.Status) string {
	return fmt.Sprintf("the node is at %s, this file at %s: waiting; nothing is deleted", thousands(x.ChainHead), thousands(x.Next-1))
}

// explainLagging says what to do where a run could not end because the node is
// behind the file.
func explainLagging(err error) error {
	e, ok := errors.AsType[*indexer.LaggingError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("the node is at %s, this file at %s: the node is behind, and nothing is deleted\n"+
		"run it again once the node is back; if it took blocks back on purpose, --on-revert follow deletes them here too", thousands(e.Head), thousands(e.File))
}

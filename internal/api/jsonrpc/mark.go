package jsonrpc

import "errors"

// A chainMark notices that the chain has changed between views. Long questions
// are answered by several, as none may be open for long.
type chainMark struct {
	set   bool
	reorg int64
	epoch [8]byte
}

// errChanged: blocks that were looked at may no longer be there.
var errChanged = errors.New("the chain was reorganised again and again meanwhile, try again")

// check is [errChanged] if there was a reorg since the first check.
func (m *chainMark) check(v *view) error {
	reorg, epoch, err := v.LastReorg()
	if err != nil {
		return err
	}
	if !m.set {
		*m = chainMark{true, reorg, epoch}
	}
	if reorg != m.reorg || epoch != m.epoch {
		return errChanged
	}
	return nil
}

// again answers a question anew if the chain has changed meanwhile, but not for
// ever.
func again(answer func() error) (err error) {
	const tries = 3
	for range tries {
		if err = answer(); !errors.Is(err, errChanged) {
			return err
		}
	}
	return err
}

package jsonrpc

import (
	"io"
	"time"
)

// How an answer is sent: a client must take so much in that time.
const (
	sentAtOnce = 64 << 10
	sendTime   = 30 * time.Second
)

// A patient writes to a client, which it hangs up on if it does not read.
type patient struct {
	out      io.Writer
	deadline func(time.Time) error // some writers have none
}

// Write writes all, in pieces.
func (p patient) Write(data []byte) (written int, err error) {
	for written < len(data) {
		_ = p.deadline(time.Now().Add(sendTime))
		n, err := p.out.Write(data[written:min(len(data), written+sentAtOnce)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

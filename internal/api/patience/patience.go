// Package patience writes to clients that may read slowly, and hangs up on those
// who do not read.
package patience

import (
	"io"
	"net"
	"time"
)

// How an answer is sent: a client must take a piece in that time.
const (
	Piece = 64 << 10 // bytes
	Time  = 30 * time.Second
)

// A Writer writes to a client, which it hangs up on if it does not read.
type Writer struct {
	out      io.Writer
	deadline func(time.Time) error
}

// New makes a writer of one to which there is a deadline for writing; some have
// none, then deadline fails.
func New(out io.Writer, deadline func(time.Time) error) Writer { return Writer{out, deadline} }

// Write writes all, in pieces.
func (w Writer) Write(data []byte) (written int, err error) {
	for written < len(data) {
		_ = w.deadline(time.Now().Add(Time))
		n, err := w.out.Write(data[written:min(len(data), written+Piece)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// A Conn is a connection that is written to with patience.
type Conn struct {
	net.Conn
	writer Writer
}

// NewConn makes one of a connection.
func NewConn(c net.Conn) *Conn { return &Conn{c, New(c, c.SetWriteDeadline)} }

// Write writes all, in pieces.
func (c *Conn) Write(data []byte) (int, error) { return c.writer.Write(data) }

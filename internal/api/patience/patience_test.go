package patience_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/api/patience"
)

// Who does not read is waited for, but not for ever; who reads slowly is.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		data := make([]byte, 10*patience.Piece)
		go func() {
			for range 9 {
				time.Sleep(patience.Time - time.Second)
				if _, err := io.ReadFull(client, make([]byte, patience.Piece)); err != nil {
					t.Error(err)
				}
			}
		}()
		began := time.Now()
		n, err := patience.NewConn(server).Write(data)
		if n != 9*patience.Piece || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if took := time.Since(began); took != 9*(patience.Time-time.Second)+patience.Time {
			t.Errorf("it took %s", took)
		}
	})
}

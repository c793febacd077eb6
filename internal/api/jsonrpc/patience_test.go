package jsonrpc

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Who does not read is waited for, but not for ever; who reads slowly is.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		data := make([]byte, 10*sentAtOnce)
		go func() {
			for range 9 {
				time.Sleep(sendTime - time.Second)
				if _, err := io.ReadFull(client, make([]byte, sentAtOnce)); err != nil {
					t.Error(err)
				}
			}
		}()
		began := time.Now()
		n, err := newPatientConn(server).Write(data)
		if n != 9*sentAtOnce || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if took := time.Since(began); took != 9*(sendTime-time.Second)+sendTime {
			t.Errorf("it took %s", took)
		}
	})
}

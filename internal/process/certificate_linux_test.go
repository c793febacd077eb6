package process_test

import (
	"bytes"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"gapless/internal/node/nodetest"
)

// A node whose certificate no system knows is trusted by SSL_CERT_FILE, as README
// says.
func TestCertificateFile(t *testing.T) {
	n := nodetest.New(recording())
	n.Head = 5
	server := httptest.NewTLSServer(n)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "node.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		env  []string
		code int
	}{
		{nil, 1},
		{[]string{"SSL_CERT_FILE=" + file}, 0},
	} {
		var out bytes.Buffer
		cmd := gapless(&out, tt.env, "run", "--db", newDB(t), "--rpc", server.URL, "--until", "5", "--wait", "1s", "--listen", "off")
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || tt.code != 0 && !bytes.Contains(out.Bytes(), []byte("certificate")) {
			t.Errorf("with %v: exit %d, want %d\n%s", tt.env, code, tt.code, &out)
		}
	}
}

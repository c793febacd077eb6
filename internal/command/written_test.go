package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Settings are understood as people write them.
func TestWrittenByPeople(t *testing.T) {
	_, url := serve(t, 20)
	host := strings.TrimPrefix(url, "http://")
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "nodes")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
	}{
		{"quotes in the environment", map[string]string{"GAPLESS_RPC": `"` + url + `"`}, nil},
		{"quotes around each of two", map[string]string{"GAPLESS_RPC": `'` + url + `' '` + url + `'`}, nil},
		{"quotes in an argument", nil, []string{"--rpc", `"` + url + `"`}},
		{"quotes in a file", nil, []string{"--rpc-file", file("\"" + url + "\"\r\n")}},
		{"a BOM", nil, []string{"--rpc-file", file("\ufeff" + url + "\n")}},
		{"a BOM before a comment", nil, []string{"--rpc-file", file("\ufeff# mine\n" + url + "\n")}},
		{"a password with @", nil, []string{"--rpc", "http://me:p@ss@" + host}},
		{"a password with /", nil, []string{"--rpc", "http://me:p/ss@" + host}},
		{"a password with #", nil, []string{"--rpc", "http://me:p#ss@" + host}},
		{"a password with ?", nil, []string{"--rpc", "http://me:p?ss@" + host}},
		{"a password with %", nil, []string{"--rpc", "http://me:100%@" + host}},
		{"yes", map[string]string{"GAPLESS_RPC": url, "GAPLESS_PROXY": "yes"}, nil},
		{"Off", map[string]string{"GAPLESS_RPC": url, "GAPLESS_PROXY": "Off"}, nil},
		{"yes as an argument", nil, []string{"--rpc", url, "--proxy=yes"}},
		{"quoted numbers", map[string]string{"GAPLESS_RPC": url, "GAPLESS_CONFIRMATIONS": `"0"`}, nil},
		{"what Kubernetes adds", map[string]string{"GAPLESS_RPC": url, "GAPLESS_PORT": "tcp://10.0.0.1:8600", "GAPLESS_SERVICE_HOST": "10.0.0.1", "GAPLESS_PORT_8600_TCP_ADDR": "10.0.0.1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			args := append([]string{"run", "--db", newDB(t), "--listen", "off", "--until", "9"}, tt.args...)
			if code, _, stderr := gapless(t, args...); code != exitDone {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

// What can't be understood is said in one message, without the secret.
func TestWrittenWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nodes")
	if err := os.WriteFile(file, []byte("\xff\xfeh\x00t\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"a boolean", map[string]string{"GAPLESS_PROXY": "maybe"}, nil, "GAPLESS_PROXY: \"maybe\" is neither yes nor no"},
		{"letters exchanged", map[string]string{"GAPLESS_RCP": "http://secret"}, nil, "GAPLESS_RCP is no setting: GAPLESS_RPC is one"},
		{"a letter left out", map[string]string{"GAPLESS_CONFIRMATION": "5"}, nil, "GAPLESS_CONFIRMATION is no setting: GAPLESS_CONFIRMATIONS is one"},
		{"small letters", map[string]string{"gapless_rpc": "http://secret"}, nil, "gapless_rpc is no setting: GAPLESS_RPC is one"},
		{"more than the name", map[string]string{"GAPLESS_RPC_URL": "http://secret"}, nil, "GAPLESS_RPC_URL is no setting: GAPLESS_RPC is one"},
		{"UTF-16", nil, []string{"--rpc-file", file}, "is not UTF-8"},
		{"a space", nil, []string{"--rpc", "http://secret:pass word/ secret"}, "not a URL"},
		{"a fragment", nil, []string{"--rpc", "http://secret:80#secret"}, "%23"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			code, _, stderr := gapless(t, append([]string{"run", "--db", newDB(t), "--listen", "off"}, tt.args...)...)
			if code != exitUsage || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "secret") || strings.Count(stderr, "\n") > 2 {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

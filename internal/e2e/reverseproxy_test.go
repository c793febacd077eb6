//go:build e2e && unix

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gapless/internal/node/nodetest"
)

// startNginx starts nginx with docs/nginx.conf, changed to be reached at an
// address of this machine.
func startNginx(t *testing.T, dir, address string, changes ...string) {
	t.Helper()
	certificate, key := writeCertificate(t, dir)
	site := docs(t, "nginx.conf", append([]string{
		"listen 443", "listen " + address, "/etc/ssl/example.org.pem", certificate, "/etc/ssl/example.org.key", key,
	}, changes...)...)
	var temporary strings.Builder
	for _, of := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", of, dir, of)
	}
	conf := filepath.Join(dir, "nginx.conf")
	writeText(t, conf, fmt.Sprintf("daemon off;\nuser root;\nworker_processes 1;\npid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n", dir, &temporary, site))
	startProgram(t, address, "nginx", "-e", "stderr", "-c", conf)
}

// startCaddy starts Caddy with docs/Caddyfile, and a certificate of its own.
func startCaddy(t *testing.T, dir, address string, changes ...string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	site := docs(t, "Caddyfile", append([]string{"\nexample.org {", fmt.Sprintf("\nhttps://example.org:%s {\nbind 127.0.0.1\ntls internal\n", port)}, changes...)...)
	conf := filepath.Join(dir, "Caddyfile")
	writeText(t, conf, "{\nadmin off\nauto_https disable_redirects\nskip_install_trust\ngrace_period 1s\n}\n"+site)
	t.Setenv("XDG_DATA_HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	startProgram(t, address, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
}

// docs is a file of docs in which texts are replaced: old, new, …. Each must be
// in it.
func docs(t *testing.T, name string, changes ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%s has no %q", name, changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

// startProgram starts what listens at an address, and ends it with the test.
func startProgram(t *testing.T, address, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v: apt-get install %s", err, name)
	}
	cmd := exec.Command(name, args...)
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, log.tail())
		}
	})
	for range 1000 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen at %s", name, address)
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// writeCertificate writes one of example.org that it has signed itself.
func writeCertificate(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeText(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	writeText(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return certificate, key
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Behind nginx and Caddy all works below the path that they give it: links,
// scripts, events, WebSockets, the login and the forms. The path is taken off, or
// it is left on, and gapless listens at a port or at a socket.
func TestPagesBehindProxy(t *testing.T) {
	b := startBrowser(t)
	port, socket := freeAddress(t), filepath.Join(t.TempDir(), "http.sock")
	usual := []string{"--retry-base", "1h", "--host", "example.org"}
	off := serve(t, 300, lost(100, 200), append(usual, "--listen", port, "--trusted-proxy", "127.0.0.1")...)
	on := serve(t, 300, lost(100, 200), append(usual, "--listen", "unix:"+socket, "--base-path", "/explorer")...)
	for _, tt := range []struct {
		name    string
		start   func(t *testing.T, dir, address string, changes ...string)
		changes []string
		behind  *serving
		first   string
	}{
		{"nginx takes it off", startNginx, []string{"127.0.0.1:8600", port}, off, "/explorer/"},
		{"nginx leaves it on", startNginx, []string{"proxy_pass http://127.0.0.1:8600/", "proxy_pass http://unix:" + socket}, on, "/explorer/"},
		{"Caddy takes it off, and tells", startCaddy, []string{
			"redir /explorer /explorer/\n", "", "/explorer/*", "/explorer*", "127.0.0.1:8600", port + " {\nheader_up X-Forwarded-Prefix /explorer\n}",
		}, off, "/explorer"},
		{"Caddy takes it off", startCaddy, []string{"127.0.0.1:8600", port}, off, "/explorer"},
		{"Caddy leaves it on", startCaddy, []string{"handle_path", "handle", "127.0.0.1:8600", "unix/" + socket}, on, "/explorer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := freeAddress(t)
			tt.start(t, t.TempDir(), address, tt.changes...)
			_, at, _ := net.SplitHostPort(address)
			b.t = t
			b.open("https://example.org:"+at, "desktop", false)
			tt.behind.worksBelow(b, at, tt.first)
		})
	}
}

// worksBelow looks at what is shown below /explorer/, from a first page on.
func (s *serving) worksBelow(b *browser, port, first string) {
	s.t.Helper()
	head := s.grow()
	_, login := s.loginPage()
	b.visit(first)
	b.wait(`document.getElementById("live").textContent === "live"`)
	b.wait(`document.querySelector("#figures dd a").textContent === "%d"`, head)
	b.wait(`document.querySelector("#figures dd a").textContent === "%d"`, s.grow()) // by the events
	b.shot("home")
	b.click(`nav a[href="blocks"]`)
	b.at("/explorer/blocks")
	b.click("tbody a")
	b.at(fmt.Sprintf("/explorer/block/%d", head+1))
	b.search("#123")
	b.at("/explorer/block/123")

	b.visit("/explorer/" + login[strings.Index(login, "login"):])
	b.at("/explorer/")
	var cookies []struct {
		Path             string
		Secure, HTTPOnly bool
	}
	if b.do("cookies", nil, &cookies); len(cookies) != 1 || cookies[0].Path != "/explorer" || !cookies[0].Secure || !cookies[0].HTTPOnly {
		b.t.Errorf("cookies %+v", cookies)
	}
	b.click(`nav a[href="missing"]`)
	b.click(`form[action="missing/retry"]:has(input[value="200"]) button`)
	b.at("/explorer/missing")
	b.shows("Missing blocks")
	b.sound()
	if s.interrupt() != 0 { // the session outlives it
		b.t.Error("it did not stop well")
	}
	s.start()
	s.loginPage()                      // when it serves again
	b.do("faults", nil, new([]string)) // the page has asked meanwhile
	b.visit("/explorer/missing")
	b.click(`form[action="missing/retry"]:has(input[value="100"]) button`)
	b.at("/explorer/missing")

	answer := b.text(fmt.Sprintf(`new Promise((done, fail) => {
		const socket = new WebSocket("wss://example.org:%s/explorer/");
		socket.onopen = () => socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}');
		socket.onmessage = e => { done(e.data); socket.close(); };
		socket.onerror = () => fail(new Error("no WebSocket"));
	})`, port))
	if want := fmt.Sprintf(`"result":"0x%x"`, head+1); !strings.Contains(answer, want) {
		b.t.Errorf("by WebSocket: %s, want %s", answer, want)
	}
	b.sound()
}

// grow lets the chain have one more block, and gives its number.
func (s *serving) grow() (head uint64) {
	s.node.Do(func(n *nodetest.Node) {
		n.Head++
		head = n.Head
	})
	return head
}

// Behind an nginx that says nothing of the host that was asked for, or not all of
// it, pages can be read, and a form says what to change.
func TestPagesBehindProxyWithAnotherHost(t *testing.T) {
	b := startBrowser(t)
	port := freeAddress(t)
	s := serve(t, 300, lost(100), "--retry-base", "1h", "--host", "example.org", "--listen", port)
	s.has(300)
	_, login := s.loginPage()
	for name, host := range map[string]string{"default": "", "without a port": "proxy_set_header Host $host;"} {
		address := freeAddress(t)
		startNginx(t, t.TempDir(), address, "127.0.0.1:8600", port, " ssl;", ";", "proxy_set_header Host $http_host;", host)
		_, at, _ := net.SplitHostPort(address)
		b.open("http://example.org:"+at, "desktop", false)
		b.visit("/explorer" + login)
		b.at("/explorer/")
		b.visit("/explorer/missing")
		b.click(`form[action="missing/retry"]:has(input[value="100"]) button`)
		b.shows("proxy_set_header Host $http_host")
		b.shows("example.org:" + at)
		b.shot(name)
		b.do("faults", nil, new([]string)) // the browser tells of the 403
	}
}

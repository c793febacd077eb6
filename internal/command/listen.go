package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gapless/internal/api"
)

// socketScheme begins the address of a socket in the file system.
const socketScheme = "unix:"

// longestSocket is how long the path of a socket may be on every system, in bytes.
const longestSocket = 103

// parseListen gives host:port, unix:PATH, or nothing for off. A port alone is one
// of this machine; :PORT is one of all its addresses, as elsewhere.
func parseListen(text string) (string, error) {
	if text == "off" {
		return "", nil
	}
	if path, ok := strings.CutPrefix(text, socketScheme); ok {
		return parseSocket(path)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "127.0.0.1", text // perhaps a port
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
		return "", usagef("--listen is %q: use an address as 127.0.0.1:8600, :8600 for all addresses, unix:PATH for a socket, or off", text)
	}
	return net.JoinHostPort(host, port), nil
}

func parseSocket(path string) (string, error) {
	full, err := filepath.Abs(path)
	if path == "" || err != nil || len(full) > longestSocket {
		return "", usagef("--listen is %q: name a socket by a path of at most %d bytes, as unix:/run/gapless/http.sock", socketScheme+path, longestSocket)
	}
	return socketScheme + full, nil
}

// parseProxies reads addresses and networks.
func parseProxies(texts []string) (proxies []netip.Prefix, err error) {
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return nil, usagef("--trusted-proxy is %q: use an address as 127.0.0.1, or a network as 10.0.0.0/8", text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

func parseBasePath(text string) (string, error) {
	base, ok := api.ParseBasePath(text)
	if !ok {
		return "", usagef("--base-path is %q: use a path as /explorer, of letters, digits and . _ ~ -", text)
	}
	return base, nil
}

// listen begins to listen at an address that [parseListen] gives.
func listen(ctx context.Context, address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, socketScheme)
	if !ok {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	if err := removeSocket(ctx, path); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	// As with a port of this machine, everybody on it may read who gets there.
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeSocket removes a socket that a process has left that was killed.
func removeSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("another process listens at %s", path)
	}
	return os.Remove(path)
}

// reachable is how this machine reaches a listener, which may listen on all of
// its addresses.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return socketScheme + a.String()
	case tcp.IP.IsUnspecified():
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return a.String()
}

// An origin is where a process serves HTTP.
type origin struct {
	Address  string `json:"address,omitempty"` // host:port or unix:PATH, by which this machine reaches it; empty if HTTP is off
	BasePath string `json:"base_path,omitempty"`
}

// url is where the pages are. Those behind a socket are where a proxy has them.
func (o origin) url() string {
	if o.isSocket() {
		return o.Address
	}
	return "http://" + o.Address + o.BasePath
}

// login is the URL by which a browser gets a session. Of one behind a socket,
// only the proxy knows what it begins with.
func (o origin) login(token string) string {
	path := "/login?token=" + token
	if o.isSocket() {
		return o.BasePath + path
	}
	return o.url() + path
}

func (o origin) isSocket() bool { return strings.HasPrefix(o.Address, socketScheme) }

// transport reaches the process itself: no proxy of the environment is asked,
// which the token is not for.
func (o origin) transport() *http.Transport {
	t := &http.Transport{DisableKeepAlives: true}
	if path, ok := strings.CutPrefix(o.Address, socketScheme); ok {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	return t
}

// root is what requests to the process begin with.
func (o origin) root() string {
	if o.isSocket() {
		return "http://localhost"
	}
	return "http://" + o.Address
}

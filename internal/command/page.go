package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"gapless/internal/api"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/rest"
)

// A page is the running HTTP server.
type page struct {
	origin
	server *http.Server
	calls  *jsonrpc.Handler
	ended  chan error // buffered, 1: why the server has ended
}

// openPage begins to serve HTTP.
func (s *service) openPage(ctx context.Context) (*page, error) {
	h := &rest.Handler{Store: s.store, Status: s.status, Ready: s.ready, Reload: s.reload, Token: s.token, SessionKey: s.sessionKey}
	if err := s.newPages(h); err != nil {
		return nil, err
	}
	listener, err := listen(ctx, s.listen)
	if err != nil && s.anyPort {
		listener, err = listen(ctx, "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("%w\nchoose another address with --listen, or --listen off", err)
	}
	calls := jsonrpc.New(s.callOptions())
	routes := api.Routes{BasePath: s.basePath, Proxies: s.proxies, REST: h, Calls: calls, Pages: s.shown, Metrics: s.registry}
	server := api.NewServer(routes, s.listen, s.hosts...)
	p := &page{origin: origin{reachable(listener.Addr()), s.basePath}, server: server, calls: calls, ended: make(chan error, 1)}
	go func() { p.ended <- p.server.Serve(listener) }()
	return p, nil
}

// callOptions are for JSON-RPC from the file while it is indexed.
func (s *service) callOptions() jsonrpc.Options {
	o := jsonrpc.Options{Reader: s.store.Reader, Client: clientName(), Changed: s.store.Changed, Behind: s.chainHead, MaxLogs: s.maxLogs, Budget: newAnswers(s.answers), Metrics: s.registry}
	if s.proxy {
		o.Node = s.node
	}
	return o
}

// chainHead is the head that the node has told, if it has.
func (s *service) chainHead() (head uint64, ok bool) {
	e := s.engine.Load()
	if e == nil {
		return 0, false
	}
	x := e.indexer.Status()
	return x.ChainHead, x.HasHead
}

// clientName is how this program names itself to its clients, as nodes do.
func clientName() string {
	return fmt.Sprintf("gapless/%s/%s-%s/%s", strings.ReplaceAll(version(), " ", "-"), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// newPages makes the pages.
func (s *service) newPages(h *rest.Handler) error {
	labels, known, err := s.readNames()
	if err != nil {
		return err
	}
	var n pages.Node
	if s.proxy {
		n = s.node
	}
	s.shown = pages.New(h, labels, known, n)
	return nil
}

// readNames reads the names that the user has for what is on the chain.
func (s *service) readNames() (pages.Labels, *pages.Signatures, error) {
	known, labels := pages.NewSignatures(), pages.Labels{}
	for _, dir := range s.abis {
		found, err := known.ReadABIs(dir)
		if err != nil {
			return nil, nil, usagef("--abi: %w\nname a folder such as Foundry's out or Hardhat's artifacts", err)
		}
		s.log.Debug("ABIs read", "dir", dir, "contracts", found.Contracts)
		if n := len(found.Skipped); n > 0 {
			s.log.Warn("parts of ABIs skipped", "parts", n, "err", found.Skipped[0])
		}
	}
	if s.labels == "" {
		return labels, known, nil
	}
	f, err := os.Open(s.labels)
	if err != nil {
		return nil, nil, usagef("--labels: %w", err)
	}
	defer f.Close()
	if labels, err = pages.ReadLabels(f); err != nil {
		return nil, nil, usagef("--labels: %s: %w\nevery line is an address and its name", s.labels, err)
	}
	return labels, known, nil
}

// watch returns when ctx or the server has ended.
func (p *page) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.ended:
		return fmt.Errorf("http: %w", err)
	}
}

// drain is how long those who ask are answered for at the end.
const drain = 2 * time.Second

// close lets running answers end for a while. p may be nil.
func (p *page) close() error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain) // the process's own has ended
	defer cancel()
	err := p.server.Shutdown(ctx)
	p.calls.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return p.server.Close() // they had their time
	}
	return err
}

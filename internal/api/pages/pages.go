// Package pages is what a person reads of the index in a browser. Pages are
// made on the server, from embedded files, and ask nothing of another host. A
// little script shows what is committed meanwhile, by asking for the page again
// and putting the parts that changed in their place: there is one way to draw a
// page.
//
// All that comes from a chain or from a node is foreign text: see [plain].
package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// A Handler has the routes of the pages. Its functions may be called
// concurrently. Make one with [New].
type Handler struct {
	rest  *rest.Handler
	names atomic.Pointer[names]
	state *state                        // nil without a node
	sets  map[string]*template.Template // one for each view
}

// names are what a user has to call things by.
type names struct {
	labels     Labels
	signatures *Signatures
}

// New makes a handler. What it reads, tells and changes is h's; labels are names
// of addresses, and known are the functions and events that have a name. n tells
// of the chain's state; without it, nil, nothing is said of that.
func New(h *rest.Handler, labels Labels, known *Signatures, n Node) *Handler {
	made := &Handler{rest: h, state: newState(n)}
	made.sets = made.parse()
	made.Rename(labels, known)
	return made
}

// Rename has the pages use other names.
func (h *Handler) Rename(labels Labels, known *Signatures) { h.names.Store(&names{labels, known}) }

//go:embed templates static
var files embed.FS

// policy lets a page load nothing but what this server has, and run no script
// that is written in it.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'self'; frame-ancestors 'none'"

// Register adds the routes to mux, all but that of the first page: see Home.
func (h *Handler) Register(mux *http.ServeMux) {
	for route, make := range map[string]func(*http.Request) (view, error){
		"blocks":            h.blocks,
		"block/{block}":     h.block,
		"tx/{hash}":         h.transaction,
		"transactions":      h.transactions,
		"address/{address}": h.address,
		"tokens":            h.tokens,
		"token/{address}":   h.token,
		"missing":           h.missing,
		"journal":           h.journal,
		"search":            h.search,
	} {
		mux.HandleFunc("GET /"+route, func(w http.ResponseWriter, r *http.Request) { h.show(w, r, make) })
	}
	mux.HandleFunc("GET /static/{file}", static)
	mux.HandleFunc("GET /robots.txt", robots)
	mux.HandleFunc("GET /tx/{hash}/input", h.input)
	mux.HandleFunc("GET /tx/{hash}/log/{index}", h.logData)
	mux.HandleFunc("GET /address/{address}/code", h.code)
	mux.HandleFunc("GET /login", h.login)
	mux.Handle("POST /missing/retry", h.withSession(h.retry))
	mux.Handle("POST /missing/skip", h.withSession(h.skip))
}

// Home draws the first page.
func (h *Handler) Home(w http.ResponseWriter, r *http.Request) { h.show(w, r, h.home) }

// A view is one page: the template that draws it and what the template needs.
type view struct {
	template string
	title    string
	content  any
	of       string // tells what is shown, if the URL can come to show another thing
}

// A page is what the frame around every view needs.
type page struct {
	Title   string
	Root    string // URL of the first page
	Here    string // URL of this one, from there
	Status  rest.Status
	May     bool // change something
	Query   string
	Shows   string // the same as long as parts of the page can be put in its place
	Content any
}

// A notice is an error that is told on a page of its own.
type notice struct {
	status int
	Title  string
	Text   string
	Links  []link
}

func (n *notice) Error() string { return n.Text }

// A link leads to another page, seen from the root.
type link struct{ To, Text string }

// redirect is an error that leads elsewhere, seen from the root.
type redirect string

func (r redirect) Error() string { return string(r) }

func notFound(format string, args ...any) error {
	return &notice{status: http.StatusNotFound, Title: "Not found", Text: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &notice{status: http.StatusBadRequest, Title: "This can't be read", Text: fmt.Sprintf(format, args...)}
}

// longestView is for how long a page may read the file.
const longestView = 10 * time.Second

// show makes a view and draws it.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, make func(*http.Request) (view, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), longestView)
	defer cancel()
	v, err := make(r.WithContext(ctx))
	status := http.StatusOK
	var to redirect
	var told *notice
	switch {
	case errors.As(err, &to):
		lead(w, r, string(to))
		return
	case errors.As(err, &told):
		status = told.status
	case errors.Is(err, store.ErrNoChain):
		status = http.StatusServiceUnavailable
		told = &notice{Title: "Nothing is indexed yet", Text: "No node has told its chain since this file was made. This page fills as soon as one does."}
	case errors.Is(err, store.ErrUnindexed):
		status = http.StatusServiceUnavailable
		told = &notice{Title: "Not yet", Text: "What an address or a token has in the file can be told once its first sync is done. Blocks, and transactions by their hash, are there already."}
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
		told = &notice{Title: "That took too long", Text: "The file could not be read in time. Try again, or ask for less."}
	case err != nil:
		status = http.StatusInternalServerError
		told = &notice{Title: "That went wrong", Text: plain(err.Error())}
	}
	if told != nil {
		v = view{template: "notice.html", title: told.Title, content: told, of: told.Text}
	}
	h.draw(w, r, status, v)
}

// Nowhere draws the page for a URL that leads nowhere.
func (h *Handler) Nowhere(w http.ResponseWriter, r *http.Request) {
	h.tell(w, r, http.StatusNotFound, "Not found", "There is no such page.")
}

// Forbid draws the page for a request that may not be made from where it comes.
func (h *Handler) Forbid(w http.ResponseWriter, r *http.Request, why string) {
	h.tell(w, r, http.StatusForbidden, "Not allowed", strings.ToUpper(why[:1])+why[1:])
}

// tell draws a page with nothing but a text.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	h.draw(w, r, status, view{template: "notice.html", title: title, content: &notice{Title: title, Text: text}})
}

func (h *Handler) draw(w http.ResponseWriter, r *http.Request, status int, v view) {
	p := page{Title: v.title, Root: Root(r), Here: here(r, r.URL.RawQuery), Content: v.content, May: h.may(r),
		Query: r.URL.Query().Get("q"), Shows: v.template + " " + v.of}
	var err error
	if p.Status, err = h.rest.Status(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var out bytes.Buffer
	if err := h.sets[v.template].ExecuteTemplate(&out, "frame.html", p); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the client's loss
}

// parse makes the templates of each view.
func (h *Handler) parse() map[string]*template.Template {
	frame := template.New("frame.html").Funcs(functions).Funcs(template.FuncMap{
		"label": func(a common.Address) string { return h.names.Load().labels[a] },
		"calls": func(selector []byte) string { return h.names.Load().signatures.methodName(selector) },
		"logs":  func(topics []common.Hash) string { return h.names.Load().signatures.eventName(topics) },
	})
	template.Must(frame.ParseFS(files, "templates/frame.html", "templates/parts.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // of the pattern
	}
	sets := make(map[string]*template.Template)
	for _, name := range names {
		set := template.Must(frame.Clone())
		sets[name[len("templates/"):]] = template.Must(set.ParseFS(files, name))
	}
	return sets
}

// started is when the files were built in, as far as a browser is concerned.
var started = time.Now()

// static serves what pages load.
func static(w http.ResponseWriter, r *http.Request) {
	content, err := files.ReadFile("static/" + r.PathValue("file"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // but ask whether it changed
	http.ServeContent(w, r, r.URL.Path, started, bytes.NewReader(content))
}

// robots keeps search engines away: there is a page for everything in the chain,
// and each takes the file some work.
func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n") // the client's loss
}

// store is what the pages read.
func (h *Handler) store() *store.Store { return h.rest.Store }

// bounds are the first block number and the one after the head.
func (h *Handler) bounds(ctx context.Context) (start, next uint64, err error) {
	id, err := h.store().Identity(ctx)
	if err != nil {
		return 0, 0, err
	}
	next, err = h.store().Next(ctx)
	return id.Start, next, err
}

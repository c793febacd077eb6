package command

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// The token is told on a terminal and when it is asked for, not in the log,
// which others may read.
func TestLogin(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 3)
	db := newDB(t)
	if code, _, said := gapless(t, "status", "--login", "--db", db); code != exitFailed || !strings.Contains(said, "no gapless run serves") {
		t.Errorf("without a run: exit %d, %s", code, said)
	}
	if code, _, said := gapless(t, "status", "--login", "--json", "--db", db); code != exitUsage {
		t.Errorf("with --json: exit %d, %s", code, said)
	}

	var log bytes.Buffer
	s := newService(options{db: db, urls: []string{url}, listen: "127.0.0.1:0"}, newConsole(&log), slog.New(slog.NewTextHandler(&log, nil)))
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), s.token) || !strings.Contains(log.String(), "file open") {
		t.Errorf("the log has the token, or nothing:\n%s", &log)
	}
	if got, want := mustGapless(t, "status", "--login", "--db", db), "http://"+s.page.Address+"/login?token="+s.token+"\n"; got != want {
		t.Errorf("login is %q, want %q", got, want)
	}
	for _, close := range []func() error{s.page.close, s.close, s.store.Close} {
		if err := close(); err != nil {
			t.Error(err)
		}
	}
}

// A browser, for which two ports of a host are one, is logged in to two files at
// once, and stays so when one of them is served by another process.
func TestLoginToTwo(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 20)
	fail(n, allFail(10))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	show := func(at string) string {
		t.Helper()
		answer, err := browser.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(page)
	}
	dbs := []string{newDB(t), newDB(t)}
	var pages []string
	var processes []*process
	for _, db := range dbs {
		p, page := follow(t, db, url, "--retry-base", "1h")
		reaches(t, page, 21, 1)
		show(strings.TrimSpace(mustGapless(t, "status", "--db", db, "--login")))
		pages, processes = append(pages, page), append(processes, p)
	}
	if code := processes[0].stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	_, pages[0] = follow(t, dbs[0], url, "--retry-base", "1h")
	for i, page := range pages {
		if !strings.Contains(show(page+"/missing"), `action="missing/retry"`) {
			t.Errorf("file %d: logged out", i)
		}
	}
}

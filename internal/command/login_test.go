package command

import (
	"bytes"
	"log/slog"
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

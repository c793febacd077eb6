package command

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

// usedUp makes a service that has too few calls left two minutes before 00:00 UTC
// to ask for the node's identity; asked tells when it has it.
func usedUp(t *testing.T, o options) (s *service, log *bytes.Buffer, asked chan error) {
	t.Helper()
	time.Sleep(time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24*time.Hour - 2*time.Minute)))
	log = new(bytes.Buffer)
	s = newService(o, newConsole(log), slog.New(slog.NewTextHandler(log, nil)))
	var err error
	s.node, err = node.New(node.Options{
		URLs: []string{"http://node.example"}, Transport: nodetest.New(recording()), Logger: s.log, DailyCalls: o.dailyCalls,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.store, err = store.Open(t.Context(), o.db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.close(), s.store.Close()); err != nil {
			t.Error(err)
		}
	})
	asked = make(chan error, 1)
	go func() {
		_, err := s.node.Identity(t.Context())
		asked <- err
	}()
	synctest.Wait()
	return s, log, asked
}

// That the calls of a day are used up is said everywhere, and in the log once;
// after midnight it is not so any more.
func TestDailyCallsAreTold(t *testing.T) {
	db := writeFile(t, 10)
	synctest.Test(t, func(t *testing.T) {
		s, log, asked := usedUp(t, options{db: db, dailyCalls: 1000})
		const why = "rate limited until 00:00 UTC: the calls of the day are used up (--daily-calls 1000)"
		st, err := s.status(t.Context())
		if err != nil || st.State != why || st.Ready || st.NotReady != why {
			t.Errorf("%v: %+v", err, st)
		}
		if _, err := s.node.Call(t.Context(), "eth_gasPrice", nil); chain.ClassOf(err) != chain.RateLimited {
			t.Errorf("a call for others: %v", err)
		}
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		if diff := cmp.Diff(&rest.Calls{Limit: 1000, Used: 2, ResetsAt: midnight}, st.Calls); diff != "" {
			t.Error(diff)
		}
		var text strings.Builder
		printStatus(&text, st)
		if want := "calls     2 used today, 0 left until 00:00 UTC, in 2 min; 1,000 a day are allowed\n"; !strings.Contains(text.String(), want) {
			t.Errorf("status:\n%s", text.String())
		}
		if err := <-asked; err != nil || time.Now().Before(midnight) {
			t.Errorf("identity at %s: %v", time.Now(), err)
		}
		if st, err = s.status(t.Context()); err != nil || st.NotReady != "waiting for the node" || st.Calls.Used == 0 || st.Calls.Used+st.Calls.Left != 1000 {
			t.Errorf("%v: %+v", err, st)
		}
		if said := strings.Count(log.String(), "used up"); said != 1 {
			t.Errorf("said %d times:\n%s", said, log)
		}
	})
}

// With --until, the wait for what is missing does not end while the calls of the
// day are used up.
func TestWaitOutlastsUsedUpCalls(t *testing.T) {
	db := writeFile(t, 10, chain.Failed(7, errors.New("header not found"), 3, time.Now()))
	synctest.Test(t, func(t *testing.T) {
		s, _, asked := usedUp(t, options{db: db, dailyCalls: 1000, wait: 30 * time.Second})
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		if err := s.awaitRetries(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(midnight); waited < 30*time.Second || waited > 40*time.Second {
			t.Errorf("the wait was over %s after midnight", waited)
		}
		if err := <-asked; err != nil {
			t.Error(err)
		}
	})
}

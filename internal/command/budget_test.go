package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
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

// onQuota makes a service of a node elsewhere at a time of the day.
func onQuota(t *testing.T, at time.Duration, o options) (s *service, log *bytes.Buffer) {
	t.Helper()
	time.Sleep(time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(at)))
	log = new(bytes.Buffer)
	s = newService(o, newConsole(log), slog.New(slog.NewTextHandler(log, nil)))
	var err error
	s.node, err = node.New(node.Options{
		URLs: []string{"http://node.example"}, Transport: nodetest.New(devchain.Build(devchain.Spec{Blocks: 616, Transactions: 1})),
		Logger: s.log, DailyCalls: o.dailyCalls,
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
	return s, log
}

// A start's own checks do not wait for the calls of the day.
func TestStartIsNotPaced(t *testing.T) {
	for _, daily := range []int{200, 1000, 5000} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := onQuota(t, 14*time.Hour, options{db: newDB(t), dailyCalls: daily})
			if err := s.compareStart(t.Context()); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := s.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("with %d calls a day it follows after %s", daily, took)
			}
		})
	}
}

// What was stored today before a start has taken calls of the day already.
func TestEarlierCallsCount(t *testing.T) {
	for at, left := range map[time.Duration]int{time.Hour: 5000 - 2*601, 25 * time.Hour: 4792} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := onQuota(t, at, options{db: writeFile(t, 600), dailyCalls: 5000})
			if err := s.countEarlier(t.Context()); err != nil || s.calls().Left != left {
				t.Errorf("%v, %+v, want %d left", err, s.calls(), left)
			}
		})
	}
}

// That calls wait for those of the day is told at once and everywhere, in the log
// once, and at the end as what it was.
func TestPacedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log := onQuota(t, 12*time.Hour, options{db: newDB(t), dailyCalls: 200})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := s.watchQuota(ctx); err != nil {
				t.Error(err)
			}
		})
		running.Go(func() { _ = s.node.Follow(ctx, func(*chain.Header) {}, func(time.Time) {}) })
		running.Go(func() {
			for from := uint64(0); ctx.Err() == nil; from++ {
				_, _ = s.node.Blocks(ctx, []uint64{from}, 0)
			}
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		st, err := s.status(ctx)
		why := fmt.Sprintf("paced by --daily-calls, %d left until 00:00 UTC", st.Calls.Left)
		if err != nil || st.State != why || st.NotReady != "waiting for the node: "+why || st.Calls.PacedSince.IsZero() || st.Calls.Left < 20 {
			t.Errorf("%v: %+v, %+v", err, st, st.Calls)
		}
		if !st.Calls.Outgrown || !strings.Contains(callsLine(st.Calls), "too few: the chain grows faster and takes about 14,") {
			t.Errorf("%+v: %s", st.Calls, callsLine(st.Calls))
		}
		cancel()
		running.Wait()
		if err := s.tellStop(ctx); err != nil {
			t.Error(err)
		}
		for text, times := range map[string]int{`msg="paced by --daily-calls"`: 1, "grows faster": 1, "stopped before all was asked that a start needs: " + why: 1, "a node answered": 0} {
			if got := strings.Count(log.String(), text); got != times {
				t.Errorf("%q is told %d times:\n%s", text, got, log)
			}
		}
	})
}

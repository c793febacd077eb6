package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gapless/internal/store"
)

// BenchmarkCommitWhileServed commits a block a second while 500 clients listen
// to events and 50 pages a second are asked for, all in this process and over
// TCP. An op is a second:
//
//	go test -run '^$' -bench CommitWhileServed -benchtime 100x ./internal/api
//
// commit is how long the commit takes, told how long after it the last client
// has its event, page how long a page takes.
func BenchmarkCommitWhileServed(b *testing.B) {
	const clients, pagesPerSecond, stored = 500, 50, 1400
	f := newFixture(b)
	f.commit(stored, 10, 20, 30)
	blocks := f.entries(stored+1, 1600)
	ctx, cancel := context.WithCancel(b.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	l := &load{f: f, told: make(chan time.Time, clients)}
	for range clients {
		l.listen(ctx, &group)
	}
	group.Go(func() { l.browse(ctx, pagesPerSecond, stored) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var commits, told []time.Duration
	for i := 0; b.Loop(); i++ {
		if i == len(blocks) {
			b.Fatalf("the recording has %d blocks more", len(blocks))
		}
		<-tick.C
		began := time.Now()
		if err := f.store.Commit(b.Context(), blocks[i:i+1]); err != nil {
			b.Fatal(err)
		}
		done := time.Now()
		commits = append(commits, done.Sub(began))
		last := done
		for range clients {
			if at := <-l.told; at.After(last) {
				last = at
			}
		}
		told = append(told, last.Sub(done))
	}
	cancel()
	group.Wait()
	if failed := l.failed.Load(); failed > 0 {
		b.Errorf("%d answers were no pages", failed)
	}
	report(b, "commit", commits)
	report(b, "told", told)
	report(b, "page", l.pages)
	b.ReportMetric(float64(len(l.pages))/b.Elapsed().Seconds(), "pages/s")
}

// entries are blocks of the recording, to be committed.
func (f *fixture) entries(first, last uint64) (entries []store.Entry) {
	for number := first; number <= last; number++ {
		entries = append(entries, f.entry(number))
	}
	return entries
}

func report(b *testing.B, what string, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 99, 100} {
		at := took[(len(took)-1)*p/100]
		b.ReportMetric(float64(at.Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", what, p))
	}
}

// A load is what clients do to a server.
type load struct {
	f    *fixture
	told chan time.Time // when a client had an event

	failed atomic.Int64
	mu     sync.Mutex // guards pages
	pages  []time.Duration
}

// listen opens a stream, which ends with ctx.
func (l *load) listen(ctx context.Context, group *sync.WaitGroup) {
	l.f.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", l.f.url+"/api/v1/events", nil)
	if err != nil {
		l.f.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		l.f.t.Fatal(err, answer)
	}
	group.Go(func() {
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "data: ") {
				l.told <- time.Now()
			}
		}
	})
}

// browse asks for pages at an even pace, each without waiting for those before.
func (l *load) browse(ctx context.Context, perSecond, blocks int) {
	var group sync.WaitGroup
	defer group.Wait()
	paths := []string{"/", "/blocks", "/block/%d", "/transactions", "/tokens", "/missing", "/journal", "/api/v1/blocks/%d", "/api/v1/logs?from=%d"}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			path := paths[i%len(paths)]
			if strings.Contains(path, "%d") {
				path = fmt.Sprintf(path, i*37%blocks)
			}
			group.Go(func() { l.page(ctx, path) })
		}
	}
}

func (l *load) page(ctx context.Context, path string) {
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, "GET", l.f.url+path, nil)
	if err != nil {
		l.failed.Add(1)
		return
	}
	answer, err := http.DefaultClient.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	if err != nil || answer.StatusCode != http.StatusOK && !strings.Contains(path, "/api/") {
		l.failed.Add(1) // blocks 10, 20 and 30 are missing, which is an answer
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages = append(l.pages, took)
}

//go:build e2e && unix

package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
)

// page waits for the address that the program serves.
func (g *gapless) page() (url string) {
	g.t.Helper()
	g.eventually(func() error {
		text, err := os.ReadFile(g.db + ".lock")
		if err != nil {
			return err
		}
		var notice struct{ Address string }
		if err := json.Unmarshal(text, &notice); err != nil || notice.Address == "" {
			return fmt.Errorf("lock file: %q, %w", text, err)
		}
		url = "http://" + notice.Address
		return nil
	})
	return url
}

// A subscriber listens to the events, and comes back with the last id that it
// has when it is hung up on.
type subscriber struct {
	mu    sync.Mutex // guards all
	id    string     // of the last event
	kinds map[string]int
	last  uint64 // block that it heard of
	files map[string]bool
}

func (s *subscriber) run(ctx context.Context, url string) {
	for ctx.Err() == nil {
		s.listen(ctx, url)
	}
}

func (s *subscriber) listen(ctx context.Context, url string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", nil)
	if err != nil {
		return
	}
	s.mu.Lock()
	if s.id != "" {
		r.Header.Set("Last-Event-ID", s.id)
	}
	s.mu.Unlock()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		time.Sleep(10 * time.Millisecond) // between two files
		return
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		s.hear(lines.Text())
	}
}

func (s *subscriber) hear(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "id":
		s.id = value
		epoch, _, _ := strings.Cut(value, "-")
		s.files[epoch] = true
	case "event":
		s.kinds[value]++
	case "data":
		var data struct {
			Last uint64 `json:"last_block"`
		}
		if json.Unmarshal([]byte(value), &data) == nil {
			s.last = data.Last
		}
	}
}

// heard says why the subscriber has not been told of all, if so.
func (s *subscriber) heard(files int, last uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds["reset"] == 0 || len(s.files) < files || s.last != last {
		return fmt.Errorf("heard %v of %d files, last of block %d; want a reset, %d files, block %d", s.kinds, len(s.files), s.last, files, last)
	}
	return nil
}

// askStatus asks for the status again and again; each answer must come at once.
// One that is being made while the file is exchanged may fail, not the next.
func askStatus(ctx context.Context, url string, answers *int) error {
	last := true // was good
	client := &http.Client{Timeout: 10 * time.Second}
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/status", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var status struct{ State string }
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err == nil {
			err = json.Unmarshal(text, &status)
		}
		good := err == nil && answer.StatusCode == http.StatusOK
		if ctx.Err() == nil && !good && !last {
			return fmt.Errorf("%s: %s, %v", answer.Status, text, err)
		}
		last = good
		*answers++
	}
	return nil
}

// readFile reads the file again and again, as a foreign program that opens it
// each time. At the moment when the file is exchanged it may find none, or half
// of one and half of the other.
func readFile(ctx context.Context, path string, reads *int) error {
	const most = 5 * time.Second
	for last := time.Now(); ctx.Err() == nil; {
		db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
		if err != nil {
			return err
		}
		var blocks, failed int
		err = db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM failed_blocks)").Scan(&blocks, &failed)
		_ = db.Close()
		if err == nil {
			*reads++
			last = time.Now()
		} else if time.Since(last) > most {
			return err
		}
	}
	return nil
}

// holdFile reads the file over one connection that stays open for long, as a
// foreign program may.
func holdFile(ctx context.Context, path string, reads *int) error {
	for ctx.Err() == nil {
		db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
		if err != nil {
			return err
		}
		until := time.Now().Add(7 * time.Second)
		for ctx.Err() == nil && time.Now().Before(until) {
			var head int
			if db.QueryRowContext(ctx, "SELECT ifnull(max(number), 0) FROM blocks").Scan(&head) == nil {
				*reads++
			}
			time.Sleep(time.Millisecond)
		}
		_ = db.Close()
	}
	return nil
}

// The file is exchanged while readers and subscribers are connected: they are
// told, and go on with the new one.
func TestRotationUnderReaders(t *testing.T) {
	t.Parallel()
	n := nodes.StartAnvil(t)
	transfers(t, n, 5, 1)
	g := run(t, n.HTTP, "--listen", "127.0.0.1:0")
	url := g.page()
	g.follows(n)

	ctx, cancel := context.WithCancel(g.ctx)
	var all sync.WaitGroup
	subscribers := make([]*subscriber, 20)
	for i := range subscribers {
		subscribers[i] = &subscriber{kinds: map[string]int{}, files: map[string]bool{}}
		all.Go(func() { subscribers[i].run(ctx, url) })
	}
	counts, errs := make([]int, 6), make([]error, 6)
	for i := range counts {
		all.Go(func() {
			switch i {
			case 0, 1:
				errs[i] = readFile(ctx, g.db, &counts[i])
			case 2:
				errs[i] = holdFile(ctx, g.db, &counts[i])
			default:
				errs[i] = askStatus(ctx, url, &counts[i])
			}
		})
	}
	last := 0
	const restarts = 3
	for i := range restarts {
		transfers(t, n, 3, 1)
		g.follows(n)
		anotherSecond()
		n.Restart()
		last = 2 + i
		transfers(t, n, last, 1)
		took := g.follows(n)
		t.Logf("the new file was at the head %v after the restart", took.Round(time.Millisecond))
	}
	for _, s := range subscribers {
		g.eventually(func() error { return s.heard(restarts+1, uint64(last)) })
	}
	cancel()
	all.Wait()
	t.Logf("%d and %d reads by openers, %d by one that stays, %d answers with the status", counts[0], counts[1], counts[2], counts[3]+counts[4]+counts[5])
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for i, count := range counts {
		if count == 0 {
			t.Errorf("reader %d never read", i)
		}
	}
	g.endsTidy(restarts)
}

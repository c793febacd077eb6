package store_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// A step is one call of the crash test's plan: what it does, and the state of
// the file after it, one letter for each block number: s stored, m missing, p
// pruned.
type step struct {
	do    func(ctx context.Context, s *store.Store) error
	after string
}

// crashBlocks is how much of the recording the plan may use.
const crashBlocks = 300

// plan mixes commits with failures, fills, rewinds that go on, and prunings.
func plan() (steps []step) {
	for state := ""; len(state) < crashBlocks-10; {
		next := len(state)
		gap := strings.IndexByte(state, 'm')
		var do func(context.Context, *store.Store) error
		switch i := len(steps); {
		case i%7 == 6 && next > 12 && state[next-8] == 's':
			below := next - 8
			state = strings.Repeat("p", below) + state[below:]
			do = func(ctx context.Context, s *store.Store) error {
				_, err := s.Prune(ctx, uint64(below))
				return err
			}
		case i%5 == 4 && next > 8:
			ancestor := next - 3
			entered := pattern(i, 4)
			state = state[:ancestor+1] + entered
			do = func(ctx context.Context, s *store.Store) error {
				entries, err := entriesOf(ancestor+1, entered)
				if err != nil {
					return err
				}
				return s.Rewind(ctx, store.Reorg{Ancestor: uint64(ancestor)}, entries, anchorsBelow(ancestor+5)...)
			}
		case i%5 == 2 && gap >= 0:
			state = state[:gap] + "s" + state[gap+1:]
			do = func(ctx context.Context, s *store.Store) error {
				b, err := decode(recording().Block(uint64(gap)), chain.QuickChecks)
				if err != nil {
					return err
				}
				return fill(ctx, s, b)
			}
		default:
			entered := pattern(i, 1+i%4)
			state += entered
			do = func(ctx context.Context, s *store.Store) error {
				entries, err := entriesOf(next, entered)
				if err != nil {
					return err
				}
				return s.Commit(ctx, entries, anchorsBelow(next+5)...)
			}
		}
		steps = append(steps, step{do, state})
	}
	return steps
}

// pattern says which of n blocks fail in step i.
func pattern(i, n int) string {
	var out strings.Builder
	for k := range n {
		out.WriteByte("ssmsssm"[(3*i+k)%7])
	}
	return out.String()
}

func entriesOf(first int, pattern string) (entries []store.Entry, err error) {
	for i, c := range pattern {
		number := uint64(first + i)
		e := store.Entry{Failure: failure(number, 1)}
		if c == 's' {
			e.Failure = nil
			if e.Block, err = decode(recording().Block(number), chain.QuickChecks); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func anchorsBelow(end int) (anchors []store.Anchor) {
	for n := max(0, end-40); n < end; n++ {
		anchors = append(anchors, anchor(uint64(n)))
	}
	return anchors
}

// work carries out the plan from a step on and prints the number of each step
// once it is acknowledged.
func work(ctx context.Context, path string) error {
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	if err := s.Identify(ctx, identity(0)); err != nil {
		return err
	}
	for i, step := range plan() {
		if i < from {
			continue
		}
		if err := step.do(ctx, s); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		fmt.Println(i)
	}
	_, err = io.Copy(io.Discard, os.Stdin) // to be killed
	return err
}

// A writer is killed at counted points, again and again on the same file. What
// it had acknowledged is there, and of the call that was under way either all
// or nothing.
func TestKill(t *testing.T) {
	files, kills := 5, 10
	if testing.Short() {
		files, kills = 2, 3
	}
	few := *recording()
	few.Blocks = few.Blocks[:crashBlocks]
	recordingPath := writeRecording(t, &few)
	for f := range files {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			for k, steps, done := 0, plan(), -1; k < kills; k++ {
				done = killedAfter(t, path, recordingPath, done+1, 1+(5*k+3*f)%7)
				done = reached(t, path, steps, done)
				checkIndex(t, path)
			}
		})
	}
}

func writeRecording(t *testing.T, c *recorded.Chain) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "few.jsonl.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := recorded.Write(f, c); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// killedAfter runs a writer from a step on, kills it after it has acknowledged
// a count of steps, and returns the last that it has.
func killedAfter(t *testing.T, path, recordingPath string, from, count int) int {
	t.Helper()
	p := startChild(t, "work", path, childRecording+"="+recordingPath, childFrom+"="+strconv.Itoa(from))
	var acknowledged []string
	for len(acknowledged) < count && p.lines.Scan() {
		acknowledged = append(acknowledged, p.lines.Text())
	}
	acknowledged = append(acknowledged, p.kill()...)
	if len(acknowledged) < count {
		t.Fatalf("the writer ended by itself after %d steps from step %d", len(acknowledged), from)
	}
	last, err := strconv.Atoi(acknowledged[len(acknowledged)-1])
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// reached finds the step that the file is at: the last that was acknowledged,
// or the one that was then under way.
func reached(t *testing.T, path string, steps []step, acknowledged int) int {
	t.Helper()
	state := stateOf(t, path)
	for i := acknowledged; i < min(acknowledged+2, len(steps)); i++ {
		if steps[i].after == state {
			return i
		}
	}
	t.Fatalf("step %d was acknowledged:\n%s\nbut the file has:\n%s", acknowledged, steps[acknowledged].after, state)
	return 0
}

func stateOf(t *testing.T, path string) string {
	t.Helper()
	r, err := store.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start, next, err := r.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state := slices.Concat(slices.Repeat([]byte{'p'}, int(start)), slices.Repeat([]byte{'m'}, int(next-start)))
	hashes, err := r.HashesBetween(t.Context(), 0, next)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hashes {
		state[h.Number] = 's'
		if h.Hash != recording().Block(h.Number).Hash {
			t.Errorf("block %d is %s", h.Number, h.Hash)
		}
	}
	return string(state)
}

// Package simulation runs the whole program against nodes that fail, lie,
// reorganise, revert and are reset, on a machine that dies and whose disk fills
// up, in virtual time and from a seed.
package simulation

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run one seed only")
	seedsFlag = flag.Uint64("seeds", 0, "run so many seeds; 0: 20, or 5 under the race detector")
	firstFlag = flag.Uint64("first", 1, "the first seed")
	traceFlag = flag.Bool("trace", false, "write what happens to stderr at once, for a seed that does not end")
)

// TestSimulation runs seeds, each of them until all is quiet. Then the file
// equals the chain, and no promise was ever broken. The plan of a seed is always
// the same; the program's own jitter and the scheduler make the rest, so that
// some failures take a few tries to come again (-count).
func TestSimulation(t *testing.T) {
	first, seeds := *firstFlag, *seedsFlag
	switch {
	case *seedFlag != 0:
		first, seeds = *seedFlag, 1
	case seeds == 0 && underRace:
		seeds = 5
	case seeds == 0:
		seeds = 20
	}
	total := newCounts()
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+seeds; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				folder, err := os.MkdirTemp("", "simulation")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(folder)
				synctest.Test(t, func(t *testing.T) { simulate(t, seed, folder, total) })
			})
		}
	})
	t.Logf("%d seeds, in which there were so many of each\n%s", seeds, total)
}

// A simulation is one seed.
type simulation struct {
	*world
	program *program
	seed    uint64
	later   []timed
}

// A timed is what ends an event.
type timed struct {
	at time.Time
	do func()
}

func simulate(t *testing.T, seed uint64, folder string, total *counts) {
	var log bytes.Buffer
	s := newSimulation(seed, folder, &log)
	s.program.run()
	for at := uint64(0); time.Since(s.began) < s.length && s.program.failure() == nil; at++ {
		s.rng = random(seed, at) // what an event draws changes no later one
		s.wait(time.Duration(s.rng.ExpFloat64()*float64(1500*time.Millisecond)) + time.Millisecond)
		s.event()
	}
	err := s.settle()
	s.program.stop()
	if err == nil {
		err = s.program.verify()
	}
	for _, f := range s.faults {
		s.counts.addN("answer spoiled: "+f.Kind.String(), f.Used)
	}
	total.merge(s.counts)
	if err != nil {
		t.Errorf("seed %d: %v\n\nwhat happened (`go test ./internal/simulation -run Simulation -seed %d` repeats it):\n%s\n\nwhat the program said last:\n%s",
			seed, err, seed, strings.Join(s.events, "\n"), lastLines(log.String(), 60))
	}
}

// random gives the numbers of one part of a seed.
func random(seed, part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }

// The parts of a seed besides the events.
const (
	ofChain = iota + 1<<32
	ofSetting
	ofMachine
)

// newSimulation draws the setting. Most seeds are small.
func newSimulation(seed uint64, folder string, log *bytes.Buffer) *simulation {
	rng := random(seed, ofSetting)
	blocks, length := 3+rng.IntN(20), time.Duration(20+rng.IntN(60))*time.Second
	if rng.IntN(5) == 0 {
		blocks, length = 20+rng.IntN(60), time.Duration(80+rng.IntN(160))*time.Second
	}
	w := newWorld(random(seed, ofChain), 1+rng.IntN(3), blocks)
	w.rng, w.length = rng, length
	s := &simulation{world: w, program: newProgram(w, folder, seed, log), seed: seed}
	s.quirks()
	return s
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// wait lets time pass, and ends what is over meanwhile.
func (s *simulation) wait(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); s.due() {
		next := end
		for _, l := range s.later {
			if l.at.Before(next) {
				next = l.at
			}
		}
		time.Sleep(time.Until(next))
	}
}

// due ends what is over.
func (s *simulation) due() {
	now, later := time.Now(), s.later
	s.later = nil
	for _, l := range later {
		if now.Before(l.at) {
			s.later = append(s.later, l)
		} else {
			l.do()
		}
	}
}

// after lets something end within a time.
func (s *simulation) after(most time.Duration, do func()) time.Duration {
	d := time.Duration(s.rng.Int64N(int64(most)))
	s.later = append(s.later, timed{time.Now().Add(d), do})
	return d
}

// settle ends all faults and waits until the file is the chain.
func (s *simulation) settle() error {
	s.heal()
	s.later = nil
	if least := s.program.first() + s.program.options.Confirmations; s.head < least {
		s.grow(int(least - s.head))
	} else if s.rng.IntN(2) == 0 {
		s.grow(1)
	}
	s.note("quiet", "head %d", s.head)
	if err := errors.Join(s.program.roomAgain(), s.program.unbind()); err != nil {
		return err
	}
	if err := s.within(time.Hour, s.program.current); err != nil {
		return err
	}
	if err := s.within(10*time.Minute, s.program.queued); err != nil {
		return err
	}
	if err := s.program.unskip(); err != nil {
		return err
	}
	s.lastOutage()
	return s.within(soonAfterOutage, s.program.complete)
}

// After an outage everything that is missing is due at once: however long its
// wait was, it is there soon after. What an endpoint was told to be left alone
// for counts all the same.
const (
	outageNoticed   = time.Minute
	soonAfterOutage = 5 * time.Minute
)

func (s *simulation) lastOutage() {
	s.setDown(true)
	time.Sleep(outageNoticed)
	s.setDown(false)
	s.note("outage", "of all nodes for %s, the last", outageNoticed)
}

// within waits until something is done.
func (s *simulation) within(most time.Duration, done func() error) (err error) {
	for began := time.Now(); time.Since(began) < most; time.Sleep(time.Second) {
		if failed := s.program.failure(); failed != nil {
			return failed
		}
		if err = done(); err == nil {
			return nil
		}
		if time.Since(began) > 5*time.Minute {
			s.outgrow()
		}
	}
	return errors.Join(s.program.failure(), fmt.Errorf("not done %s after the last fault: %w", most, err))
}

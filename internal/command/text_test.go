package command

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		thousands(0):                  "0",
		thousands(999):                "999",
		thousands(1000):               "1,000",
		thousands(uint64(1234567)):    "1,234,567",
		thousands(-1234):              "-1,234",
		count(1, "block"):             "1 block",
		count(2000, "block"):          "2,000 blocks",
		amount(999):                   "999 bytes",
		amount(1000):                  "1.0 kB",
		amount(999_900):               "1.0 MB",
		amount(12_300_000):            "12 MB",
		amount(3_400_000_000):         "3.4 GB",
		span(time.Millisecond):        "1 s",
		span(90 * time.Second):        "90 s",
		span(5 * time.Minute):         "5 min",
		span(50 * time.Hour):          "2 days",
		rate(0):                       "0.0 blocks/s",
		rate(1234.5):                  "1,235 blocks/s",
		short("a\x1b[31m\nb  c", 100): "a [31m b c",
		short("abcdef", 4):            "abc…",
		hide("::1#2: dial tcp [::1]:8545: refused"):  "node #2: dial tcp ADDRESS: refused",
		hide("lookup secret.host on 10.0.0.1:53: x"): "lookup HOST: on ADDRESS: x",
	} {
		if got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := time.Now().Add(90 * time.Second)
		for _, tt := range []struct {
			status  indexer.Status
			missing int
			nextAt  time.Time
			paced   string
			want    string
		}{
			{indexer.Status{}, 0, time.Time{}, "", "waiting for the node's head"},
			{indexer.Status{HasHead: true, ChainHead: 9}, 0, time.Time{}, "", "no block yet · none missing"},
			{indexer.Status{HasHead: true, ChainHead: 1999, Next: 1000, Rate: 100}, 3, soon, "",
				"block 999 of 1,999, 100 blocks/s · 3 missing, next retry in 90 s · 10 s to go"},
			{indexer.Status{HasHead: true, ChainHead: 1999, Next: 2000, Rate: 1}, 0, time.Time{}, "", "block 1,999, up to date · none missing"},
			{indexer.Status{HasHead: true, ChainHead: 10, Next: 5201, Lagging: true, State: "waiting for the node, which is behind this file"}, 0, time.Time{}, "",
				"the node is at 10, this file at 5,200: waiting; nothing is deleted · none missing"},
			{indexer.Status{HasHead: true, ChainHead: 9, Next: 10, State: "waiting for the node: x"}, 1, time.Time{}, "",
				"block 9, up to date · 1 missing · waiting for the node: x"},
			{indexer.Status{HasHead: true, ChainHead: 1999, Next: 1000, Rate: 100, Paused: errors.New("disk is full")}, 0, time.Time{}, "",
				"block 999 of 1,999 · none missing · paused: disk is full"},
			{indexer.Status{}, 0, time.Time{}, "paced", "waiting for the node's head · paced"},
			{indexer.Status{HasHead: true, ChainHead: 615, Next: 9, Rate: 0.05}, 0, time.Time{}, "paced by --daily-calls, 4,321 left until 00:00 UTC",
				"block 8 of 615, 0.1 blocks/s · paced by --daily-calls, 4,321 left until 00:00 UTC · none missing · 3 h to go"},
		} {
			if got := progressLine(tt.status, 0, tt.missing, tt.nextAt, tt.paced); got != tt.want {
				t.Errorf("%q instead of %q", got, tt.want)
			}
		}
	})
}

// On a terminal one line is rewritten, and other lines go above it.
func TestConsole(t *testing.T) {
	var out strings.Builder
	c := &console{out: &out, terminal: true}
	c.progress("block %d of 10", 1)
	c.progress("block 2")
	c.printf("a line\n")
	c.progress("block 3")
	c.endProgress()
	c.progress("block 4")
	c.printf("the end\n")
	want := "\rblock 1 of 10\rblock 2      \r       \ra line\n\rblock 2\rblock 3\nthe end\n"
	if out.String() != want {
		t.Errorf("%q instead of\n%q", out.String(), want)
	}
	out.Reset()
	c = &console{out: &out}
	for _, line := range []string{"block 1", "block 1", "block 2"} {
		c.progress("%s", line)
	}
	c.printf("the end\n")
	if want := "block 1\nblock 2\nthe end\n"; out.String() != want {
		t.Errorf("%q instead of %q", out.String(), want)
	}
}

package api_test

import (
	"bufio"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gapless/internal/readme"
)

// An example is a command that docs/http.md shows, and what it says that comes of it.
type example struct{ command, output string }

// readmeExamples are those that ask by HTTP.
func readmeExamples(t *testing.T) (found []example) {
	t.Helper()
	blocks, err := readme.Blocks("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		for line := range strings.Lines(b.Text) {
			line = strings.TrimRight(line, "\n")
			if command, ok := strings.CutPrefix(line, "curl "); ok {
				found = append(found, example{command: command})
			}
			if output, ok := strings.CutPrefix(line, "# "); ok && len(found) > 0 && b.File == "docs/http.md" {
				found[len(found)-1].output += output
			}
		}
	}
	return found
}

// What the page about HTTP shows is answered as it says: … stands for anything.
func TestReadmeExamples(t *testing.T) {
	f := newFixture(t)
	f.commit(1599, 1204)
	examples := readmeExamples(t)
	if len(examples) < 6 {
		t.Fatalf("docs/http.md has %d examples", len(examples))
	}
	for _, e := range examples {
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(e.output), "…", ".*?") + "$")
		if got := f.curl(e.command, want); !want.MatchString(got) || e.output == "" {
			t.Errorf("curl %s\nsays %s\nwant %s", e.command, got, e.output)
		}
	}
}

var curlURL = regexp.MustCompile(`^(-N )?'?http://127\.0\.0\.1:8600(/[^' ]*)'?(?: +#.*)?$`)

// curl does what the command does, and gives what it prints without line ends:
// all of it, or of a stream what comes until it is what is wanted.
func (f *fixture) curl(args string, want *regexp.Regexp) (out string) {
	f.t.Helper()
	match := curlURL.FindStringSubmatch(args)
	if match == nil {
		f.t.Fatalf("the test does not know what this does: curl %s", args)
	}
	answer := f.do(http.MethodGet, match[2], "")
	if match[1] != "" {
		f.commit(1600) // to be told of
		defer time.AfterFunc(time.Minute, func() { answer.Body.Close() }).Stop()
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		out += lines.Text()
		if match[1] != "" && lines.Text() == "" && want.MatchString(out) {
			return out
		}
	}
	return out
}

package command

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
)

// exposed is what a program says of itself at /metrics.
type exposed struct {
	help   map[string]string          // by metric
	labels map[string]map[string]bool // by sample: `label` and `label="value"`
}

var (
	helpLine   = regexp.MustCompile(`(?m)^# HELP (\S+) ?(.*)$`)
	sampleLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)\s*(?:=|!=|=~|!~)\s*"([^"]*)"`)
)

// readExposed reads the text format of Prometheus.
func readExposed(text string) exposed {
	x := exposed{make(map[string]string), make(map[string]map[string]bool)}
	for _, m := range helpLine.FindAllStringSubmatch(text, -1) {
		x.help[m[1]] = m[2]
	}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		if x.labels[m[1]] == nil {
			x.labels[m[1]] = map[string]bool{"job": true, "instance": true} // Prometheus adds them
		}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			x.labels[m[1]][pair[1]], x.labels[m[1]][pair[0]] = true, true
		}
	}
	return x
}

// watched are the rules, their tests and the board.
func watched(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, name := range []string{"alerts.yml", "alerts_test.yml", "board.json"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(goldens), "..", "watch", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = strings.ReplaceAll(string(text), `\"`, `"`) // inside of JSON
	}
	return texts
}

var (
	selector = regexp.MustCompile(`\b((?:gapless|go|process)_[a-z_]+)\b(?:\{([^}]*)\})?`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) ?\(([a-z_, ]+)\)`)
)

// Each metric and label that the rules and the board name is one that the
// program has, and each that the program has says what it is.
func TestWatchedMetrics(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	fail(n, allFail(30))
	_, page := follow(t, newDB(t), url, "--daily-calls", "2000000000")
	reaches(t, page, 51, 1)
	_, body := get(t, page+"/metrics")
	has := readExposed(body)
	for name, help := range has.help {
		if strings.HasPrefix(name, "gapless_") && (len(help) < 10 || !strings.HasSuffix(help, ".")) {
			t.Errorf("%s does not say what it is: %q", name, help)
		}
	}
	all := map[string]bool{"alertname": true, "alertstate": true} // of Prometheus's own
	for _, labels := range has.labels {
		maps.Copy(all, labels)
	}
	for file, text := range watched(t) {
		found := selector.FindAllStringSubmatch(text, -1)
		if len(found) < 20 {
			t.Errorf("%s names %d metrics", file, len(found))
		}
		for _, m := range found {
			labels := has.labels[m[1]]
			if labels == nil && has.help[m[1]] == "" {
				t.Errorf("%s: there is no %s", file, m[1])
			}
			for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
				free := slices.Contains([]string{"job", "instance", "endpoint", "le"}, pair[1]) // whose values are anybody's
				if !labels[pair[1]] || !free && !labels[pair[0]] {
					t.Errorf("%s: %s has no %s", file, m[1], pair[0])
				}
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(text, -1) {
			for label := range strings.SplitSeq(strings.ReplaceAll(m[1], " ", ""), ",") {
				if !all[label] {
					t.Errorf("%s: nothing has the label %s", file, label)
				}
			}
		}
	}
}

// What is stored although it is wrong is counted, at the head and by a retry, and
// a node that will not serve us is told from one that is away.
func TestTroubleIsMeasured(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	faults := allFail(30)
	faults[10] = &nodetest.Fault{Kind: nodetest.WrongRoot}
	fail(n, faults)
	_, page := follow(t, newDB(t), url, "--verify", "warn", "--retry-base", "100ms")
	reaches(t, page, 51, 1)
	faults[30] = &nodetest.Fault{Kind: nodetest.WrongRoot}
	fail(n, faults)
	reaches(t, page, 51, 0)
	says := func(lines ...string) {
		t.Helper()
		var body string
		eventually(t, strings.Join(lines, ", "), func() bool {
			_, body = get(t, page+"/metrics")
			return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(body, "\n"+line+"\n") })
		})
	}
	const endpoint = `{endpoint="127.0.0.1#1"} `
	says("gapless_wrong_blocks_indexed_total 1", "gapless_wrong_blocks_recovered_total 1",
		"gapless_endpoint_refuses"+endpoint+"0", "gapless_endpoint_up"+endpoint+"1")
	n.Do(func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: http.StatusForbidden} })
	says("gapless_endpoint_refuses"+endpoint+"1", "gapless_endpoint_up"+endpoint+"0")
	n.Do(func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Reset} })
	says("gapless_endpoint_refuses"+endpoint+"0", "gapless_endpoint_up"+endpoint+"0")
	n.Do(func(n *nodetest.Node) { n.Every = nil })
	says("gapless_endpoint_refuses"+endpoint+"0", "gapless_endpoint_up"+endpoint+"1")
}

// Each alert says how bad it is, what has happened and what to do, and has a
// case in which it fires.
func TestAlertsAreWhole(t *testing.T) {
	t.Parallel()
	texts := watched(t)
	alerts := strings.Split(texts["alerts.yml"], "- alert: ")[1:]
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	for _, alert := range alerts {
		name, rest, _ := strings.Cut(alert, "\n")
		for _, part := range []string{"expr: ", "labels: {severity: ", "summary: ", "description: "} {
			if !strings.Contains(rest, part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
		if !strings.Contains(texts["alerts_test.yml"], `{alertname="`+name+`"`) {
			t.Errorf("%s is not tested", name)
		}
	}
}

// The board is JSON as Grafana reads it: each panel asks for something, under an
// id of its own, and lies beside the others.
func TestBoard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(goldens), "..", "watch", "board.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ RefID, Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || board.UID == "" || board.SchemaVersion == 0 || len(board.Panels) == 0 {
		t.Errorf("board %+v", board)
	}
	ids, taken := make(map[int]bool), make(map[[2]int]string)
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.Type != "stat" && p.Type != "timeseries" {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Errorf("%s lies on %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if target.Expr == "" || target.RefID == "" {
				t.Errorf("%s asks for %+v", p.Title, target)
			}
		}
	}
}

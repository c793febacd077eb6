//go:build e2e && unix

package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gapless/internal/e2e/nodes"
)

const watchFolder = "../watch"

// The rules are right, by Prometheus's own tool and the cases beside them.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = watchFolder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// A prometheus is a running Prometheus.
type prometheus struct {
	url string
	g   *gapless // whose test and time it has
}

// The alerts' own times, but in seconds for minutes.
var minutes = regexp.MustCompile(`(?m)^( +for: \d+)[mh]$`)

// startPrometheus has a Prometheus scrape a page four times a second, with the
// rules, whose alerts fire after seconds instead of minutes.
func startPrometheus(t *testing.T, g *gapless, page string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rules, err := os.ReadFile(filepath.Join(watchFolder, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	quick := minutes.ReplaceAllString(string(rules), "${1}s")
	if quick == string(rules) {
		t.Fatal("no alert has a time")
	}
	config := fmt.Sprintf(`
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
rule_files: [alerts.yml]
scrape_configs:
  - {job_name: gapless, static_configs: [{targets: ["%s"]}]}
`, strings.TrimPrefix(page, "http://"))
	for name, text := range map[string]string{"alerts.yml": quick, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	log := new(output)
	cmd := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install Debian's package prometheus", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of Prometheus:\n%s", log.tail())
		}
	})
	return &prometheus{"http://" + address, g}
}

// A series is one element of the answer to a query.
type series struct{ Metric map[string]string }

// query asks for the present value of an expression.
func (p *prometheus) query(ctx context.Context, expr string) ([]series, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return answer.Data.Result, nil
}

// finds waits until an expression has a value, or has none.
func (p *prometheus) finds(expr string, some bool) {
	p.g.t.Helper()
	p.g.eventually(func() error {
		found, err := p.query(p.g.ctx, expr)
		if err == nil && (len(found) > 0) != some {
			err = fmt.Errorf("%s has %d values: %v", expr, len(found), found)
		}
		return err
	})
}

// alerts waits until an alert is in a state, or with none not there.
func (p *prometheus) alerts(name, state string) {
	p.g.t.Helper()
	if state == "" {
		p.finds(fmt.Sprintf(`ALERTS{alertname=%q}`, name), false)
		return
	}
	p.finds(fmt.Sprintf(`ALERTS{alertname=%q, alertstate=%q}`, name, state), true)
}

// A real Prometheus sees what happens to a run, alerts when it should, and no
// longer when it is over.
func TestWatching(t *testing.T) {
	t.Parallel()
	n := nodes.StartGethDev(t, 1)
	g := run(t, n.HTTP, "--listen", anyPort)
	g.follows(n)
	page := g.page()
	p := startPrometheus(t, g, page)
	transfers(t, n, 3, 1)
	p.finds(`up{job="gapless"} == 1`, true)
	p.finds(`gapless_head_block > 3`, true)
	p.finds(`ALERTS`, false)
	queryBoard(t, p)

	n.Stop()
	p.alerts("GaplessEndpointDown", "pending")
	p.alerts("GaplessNoEndpoint", "firing")
	p.alerts("GaplessEndpointDown", "firing")
	n.Restart()
	p.alerts("GaplessEndpointDown", "")
	p.alerts("GaplessNoEndpoint", "")

	g.kill() // it may come back at another address
	p.alerts("GaplessDown", "firing")
	g.args = append(g.args, "--listen", strings.TrimPrefix(page, "http://"))
	g.start()
	p.alerts("GaplessDown", "")
	p.finds(`gapless_head_block > 3`, true)

	hold := readOn(t, g.db) // as a careless program does
	g.kill()
	g.args = append(g.args, "--wal-limit", "30kB")
	g.start()
	p.alerts("GaplessPaused", "firing")
	hold()
	p.alerts("GaplessPaused", "")
	g.follows(n)
	g.stop()
}

// readOn stays in a transaction that reads the file, until it is told to end.
func readOn(t *testing.T, db string) (end func()) {
	t.Helper()
	file, err := sql.Open("sqlite", "file:"+db+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := file.BeginTx(t.Context(), nil)
	if err == nil {
		err = tx.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM blocks`).Scan(new(int))
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), file.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Panels that have nothing to show of a run without trouble.
var quietPanels = map[string]bool{"Failures of blocks, by class": true, "Depth of the deepest reorg of the hour": true, "Serving one takes": true}

// queryBoard asks for what each panel of the board shows.
func queryBoard(t *testing.T, p *prometheus) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(watchFolder, "board.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".+", "$__rate_interval", "1m")
	asked := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			asked++
			expr := variables.Replace(target.Expr)
			if quietPanels[panel.Title] {
				if _, err := p.query(p.g.ctx, expr); err != nil {
					t.Errorf("%s: %v", panel.Title, err)
				}
				continue
			}
			p.finds(expr, true)
		}
	}
	t.Logf("%d queries of %d panels", asked, len(board.Panels))
}

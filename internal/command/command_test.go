package command

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func commands() (*cobra.Command, []*cobra.Command) {
	root := new(app).root()
	return root, root.Commands()
}

// Every usage text, as a person sees it.
func TestUsage(t *testing.T) {
	var all strings.Builder
	show := func(args ...string) {
		fmt.Fprintf(&all, "$ gapless %s\n%s\n", strings.Join(args, " "), mustGapless(t, args...))
	}
	show("-h")
	_, subs := commands()
	for _, c := range subs {
		show(c.Name(), "-h")
	}
	golden(t, "usage", all.String())
	if help, h := mustGapless(t, "help", "verify"), mustGapless(t, "verify", "-h"); help != h {
		t.Errorf("gapless help verify is not gapless verify -h:\n%s", help)
	}
}

// What a usage text says of flags is what there is, and the other way round.
func TestUsageNamesFlags(t *testing.T) {
	_, subs := commands()
	for _, c := range subs {
		named := map[string]bool{}
		for _, line := range strings.Split(c.Long, "\n") {
			if m := regexp.MustCompile(`^  --([a-z-]+)`).FindStringSubmatch(line); m != nil {
				named[m[1]] = true
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !named[f.Name] && f.Name != "help" {
				t.Errorf("gapless %s: --%s is not in the usage text", c.Name(), f.Name)
			}
			delete(named, f.Name)
		})
		for name := range named {
			t.Errorf("gapless %s: there is no --%s", c.Name(), name)
		}
	}
}

// Wrong use and wrong files: each has its exit code, and a message that says
// what to do.
func TestErrors(t *testing.T) {
	db := writeFile(t, 20)
	t.Chdir(t.TempDir())
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	if err := os.WriteFile(foreign, []byte("this is no database, but a text that is long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := newDB(t)
	_, node := serve(t, 20)
	var all strings.Builder
	for _, args := range [][]string{
		{"frobnicate"},
		{"run", "now"},
		{"--frobnicate"},
		{"run", "--from", "yesterday"},
		{"run", "--from", "-"},
		{"run", "--until", "-5"},
		{"run", "--rpc", "ftp://127.0.0.1/secret"},
		{"run", "--rpc", "127.0.0.1:8545"},
		{"run", "--rpc", "http://[::1/secret"},
		{"run", "--rpc-header", "secret"},
		{"run", "--rpc-file", filepath.Join(t.TempDir(), "absent")},
		{"run", "--rpc-file", empty},
		{"run", "--verify", "maybe"},
		{"run", "--rps", "many"},
		{"run", "--daily-calls", "99"},
		{"run", "--daily-calls", "-1"},
		{"run", "--daily-calls", "1e6"},
		{"run", "--retry-base", "0s"},
		{"run", "--wait", "-1s"},
		{"run", "--listen", "everywhere"},
		{"run", "--listen", "unix:"},
		{"run", "--base-path", "/a b"},
		{"run", "--trusted-proxy", "proxy.example"},
		{"run", "--log-level", "loud"},
		{"run", "--log-format", "xml"},
		{"run", "--db", ""},
		{"run", "--db", db, "--from", "7", "--listen", "off"},
		{"run", "--db", absent, "--rpc", node, "--listen", "off", "--from", "12", "--until", "10", "--log-level", "error"},
		{"run", "--db", foreign, "--listen", "off"},
		{"status", "--db", newDB(t)},
		{"status", "--db", db, "--json", "--report"},
		{"status", "--db", db, "--json", "--ready"},
		{"status", "--db", db, "--ready"},
		{"status", "--db", foreign},
		{"gaps", "everywhere"},
		{"retry"},
		{"retry", "some", "--db", db},
		{"retry", "7-3", "--db", db},
		{"retry", "all", "--db", newDB(t)},
		{"skip", "7", "--db", db},
		{"skip", "x", "--reason", "it is lost", "--db", db},
		{"skip", "7", "--reason", "it is lost", "--db", db},
		{"verify", "--from", "9", "--to", "3", "--db", db},
		{"verify", "--from", "x", "--db", db},
		{"import"},
		{"import", filepath.Join(t.TempDir(), "absent"), "--db", absent},
		{"import", foreign, "--db", absent},
		{"import", foreign, "--from", "9", "--to", "3"},
		{"import", foreign, "--genesis-hash", "0x7"},
		{"import", foreign, "--verify", "maybe"},
		{"backup"},
		{"backup", db, "--db", db},
		{"backup", filepath.Dir(db) + "/", "--db", db},
		{"backup", foreign, "--db", db},
		{"backup", filepath.Join(t.TempDir(), "out.db"), "--db", newDB(t)},
		{"replay", db, "--listen", "unix:/run/node.sock"},
		{"demo", "--listen", "nowhere"},
		{"version", "please"},
	} {
		code, stdout, stderr := gapless(t, args...)
		if strings.Contains(stderr, "secret") {
			t.Errorf("gapless %s: a secret is told: %s", strings.Join(args, " "), stderr)
		}
		fmt.Fprintf(&all, "$ gapless %s\n%s%sexit %d\n\n", strings.Join(args, " "), stdout, stderr, code)
	}
	folders := regexp.MustCompile(`/\S*/Test\w+/\d+/?`)
	ports := regexp.MustCompile(`127\.0\.0\.1:\d{5}`)
	golden(t, "errors", ports.ReplaceAllString(folders.ReplaceAllString(all.String(), "/"), "127.0.0.1:PORT"))
}

func TestVersion(t *testing.T) {
	got := mustGapless(t, "version")
	for _, part := range []string{"gapless", "Go  ", "SQLite", "go-ethereum"} {
		if !strings.Contains(got, part) {
			t.Errorf("nothing of %s in\n%s", part, got)
		}
	}
}

//go:build unix

package process_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/readme"
)

// A manner says how a command or query of README is run, unless it ends by itself
// with exit code 0.
type manner struct {
	until string // it goes on until it has said this and is told to stop by Ctrl-C
	code  int    // exit code
	not   string // why it is not run here
}

const (
	inCI       = "by .ci/release, which builds it and tries what is in it"
	inE2E      = "by the end-to-end tests, with what it needs"
	serving    = "http://127.0.0.1:"
	nobodys    = "node.example is nobody's"
	byTheTests = "it would run this test"
)

// manners are those of the commands by what they begin with.
var manners = map[string]manner{
	"go run . demo": {not: "by .ci/run, and by the demo's own tests"},
	"go test ./...": {not: byTheTests},
	"go build .":    {not: "the test binary is the program"},
	"./gapless run --rpc https://node.example/KEY --db mychain.db": {not: nobodys},

	"tar -xzf dist/gapless-*-linux-amd64.tar.gz":            {not: inCI},
	"gapless-*-linux-amd64/gapless run":                     {not: nobodys},
	"skopeo copy --all":                                     {not: inCI},
	"docker run":                                            {not: "there is no registry.example"},
	"cd gapless-*-linux-amd64":                              {not: inCI},
	"sudo install gapless":                                  {not: "it would change this machine"},
	"sudo install -m 644":                                   {not: "it would change this machine"},
	"sudo systemctl":                                        {not: "it would change this machine"},
	"./gapless":                                             {until: "msg=following"},
	"./gapless replay chain.db":                             {until: serving},
	"./gapless replay chain.db -- npm test":                 {},
	"./gapless replay chain.db --pace manual":               {until: serving},
	"./gapless diff a.db b.db":                              {code: 4},
	"./gapless import --db sepolia.db sepolia-":             {not: "the archive is of a public chain, and large; those of internal/archive are imported by its tests"},
	"./gapless export --format parquet --out lake --follow": {until: "following"},
	"litestream replicate":                                  {not: inE2E},
	"litestream restore":                                    {not: inE2E},
	"curl ":                                                 {not: "by TestReadmeExamples of internal/api, with what comes of it"},
	"go test -tags e2e":                                     {not: "by .ci/run"},

	"-- DuckDB":    {not: inE2E},
	"-- Spark SQL": {not: "Spark was not tried, as README says"},
}

// mannerOf gives the manner of a command by the longest beginning that is known.
func mannerOf(command string) (m manner, known string) {
	for beginning, of := range manners {
		whole := command == beginning || strings.HasPrefix(command, beginning) && beginning != "./gapless"
		if whole && len(beginning) >= len(known) {
			m, known = of, beginning
		}
	}
	return m, known
}

// otherwise are the languages of blocks that are no commands, and who tests them.
var otherwise = map[string]string{"go": inE2E, "ts": inE2E, "yaml": inE2E, "sql duckdb": inE2E, "sql all": inE2E,
	"sql spark": elsewhere, "sql clickhouse": elsewhere, "sql trino": elsewhere, "python": inE2E, "python sums": elsewhere}

const elsewhere = "of a program that is in no test"

// Every command and query of README and docs works as it stands there, in a folder
// that has nothing but the program and the files that the text speaks of.
func TestReadme(t *testing.T) {
	t.Parallel()
	blocks, err := readme.Blocks("../..")
	if err != nil {
		t.Fatal(err)
	}
	unknown := maps.Clone(manners) // those that nothing was run by
	for _, b := range blocks {
		what := b.Commands()
		switch _, is := otherwise[b.Language]; {
		case is:
			continue
		case b.IsSQL():
			what = b.Queries()
		}
		t.Run(strings.ReplaceAll(b.File+" "+b.Section, " ", "_"), func(t *testing.T) {
			p := newPasted(t, b.Section)
			for _, command := range what {
				m, known := mannerOf(command)
				delete(unknown, known)
				switch {
				case m.not != "":
					t.Logf("not run here: %s: %s", command, m.not)
				case b.IsSQL():
					p.query("gapless.db", command)
				default:
					p.run(command, m)
				}
			}
		})
	}
	for known := range unknown {
		t.Errorf("README has no such command any more: %s", known)
	}
}

// A pasted is a folder in which commands are run.
type pasted struct {
	t      *testing.T
	folder string
	env    []string
}

// newPasted makes the folder for a section, with what it speaks of.
func newPasted(t *testing.T, section string) *pasted {
	p := &pasted{t: t, folder: t.TempDir()}
	chain := recording()
	if section == "Use it" {
		chain = devchain.Build(devchain.Spec{Blocks: 20_000}) // as many as the text says
	}
	server := httptest.NewServer(nodetest.New(chain))
	t.Cleanup(server.Close)
	// replay asks for the port that nodes have, and this machine's may be taken.
	p.write("gapless", fmt.Sprintf(`#!/bin/sh
if [ "$1" = replay ]; then
	shift
	set -- replay --listen 127.0.0.1:0 "$@"
fi
%s=yes exec '%s' "$@"
`, asProgram, os.Args[0]))
	p.write("bin/npm", "#!/bin/sh\ncase $1:$ETH_RPC_URL in test:http://127.0.0.1:*) ;; *) exit 1 ;; esac\n") // the reader's own tests
	p.env = append(os.Environ(), "PATH="+p.folder+"/bin:"+os.Getenv("PATH"), "GAPLESS_RPC="+server.URL, "GAPLESS_LISTEN=127.0.0.1:0")
	switch section {
	case "Use it", "The file is a node": // begin with what they index
	case "Digest, diff, export, import, backup":
		p.put("gapless.db", "a.db", "b.db")
		p.run("./gapless digest > chain.digest", manner{})
		p.run("./gapless export --format rlp --from 1 --out elsewhere.rlp --receipts receipts.rlp", manner{})
		p.run("./gapless export --format jsonl --to 0 --out genesis.jsonl && ./gapless import --db chain.db genesis.jsonl", manner{})
		p.query("b.db", `UPDATE transactions SET value = '7' WHERE id = 51 << 24`)
	default:
		p.put("gapless.db")
	}
	return p
}

func (p *pasted) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o755)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// put puts files of the recorded chain into the folder.
func (p *pasted) put(names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.write(name, string(recordedFile(p.t)))
	}
}

// recordedFile is the content of a file of the recorded chain, made once.
func recordedFile(t *testing.T) []byte {
	t.Helper()
	makeRecorded.Do(func() {
		_, url := serve(t, recording().Last())
		db := newDB(t)
		if code, said := exitOf(t, nil, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest"); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		recordedDB = read(t, db)
	})
	return recordedDB
}

var (
	recordedDB   []byte
	makeRecorded sync.Once
)

// run has a shell run a command, and fails the test if that does not end as it
// should.
func (p *pasted) run(command string, m manner) {
	p.t.Helper()
	line := command
	if m.until != "" {
		line = "exec " + line // so that the signal goes to the program alone
	}
	out := new(output)
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.folder, p.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	for deadline := time.After(patience); ; {
		select {
		case <-ended:
			if code := cmd.ProcessState.ExitCode(); code != m.code || m.until != "" {
				p.t.Errorf("%s: exit %d, want %d:\n%s", command, code, m.code, out)
			}
			return
		case <-deadline:
			p.t.Fatalf("%s: has not ended in %s:\n%s", command, patience, out)
		case <-time.After(10 * time.Millisecond):
			if m.until != "" && strings.Contains(out.String(), m.until) {
				_ = cmd.Process.Signal(os.Interrupt)
				m.until = "" // it has only to end now
			}
		}
	}
}

// query has the sqlite3 shell answer a query of a file.
func (p *pasted) query(db, query string) {
	p.t.Helper()
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		p.t.Skipf("NOT TESTED: there is no sqlite3: %v", err)
	}
	cmd := exec.Command(shell, "-bail", db)
	cmd.Dir, cmd.Stdin = p.folder, strings.NewReader(query)
	if said, err := cmd.CombinedOutput(); err != nil || bytes.Contains(said, []byte("rror")) {
		p.t.Errorf("%s\n%v: %s", query, err, said)
	}
}

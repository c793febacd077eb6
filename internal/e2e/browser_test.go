//go:build e2e && unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/e2e/nodes"
)

const (
	playwrightVersion = "1.56.1"
	axeVersion        = "4.11.0"
)

// A browser is a headless Chromium with one window. Its methods are for one
// goroutine, and fail the test if the browser can't.
type browser struct {
	t       *testing.T
	in      io.Writer
	answers *bufio.Scanner
}

type settings map[string]any

// startBrowser starts Chromium, which is a package of the system, driven by
// playwright-core. It ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: apt-get install chromium", err)
	}
	paths, err := json.Marshal(map[string]string{
		"chromium":   chromium,
		"playwright": nodes.Library(t, "playwright-core", playwrightVersion),
		"axe":        nodes.Library(t, "axe-core", axeVersion),
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "browser.mjs", string(paths))
	log := new(output)
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends by that
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the browser:\n%s", log.tail())
		}
	})
	b := &browser{t: t, in: in, answers: bufio.NewScanner(out)}
	b.answers.Buffer(nil, 64<<20)
	return b
}

// do lets the browser do something, and reads what comes of it.
func (b *browser) do(what string, s settings, into any) {
	b.t.Helper()
	command := settings{"do": what}
	for name, value := range s {
		command[name] = value
	}
	line, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		b.t.Fatal(err)
	}
	if !b.answers.Scan() {
		b.t.Fatalf("%s: the browser has ended: %v", what, b.answers.Err())
	}
	var answer struct {
		Result json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(b.answers.Bytes(), &answer); err != nil || answer.Error != "" {
		b.t.Fatalf("%s %v: %v%s", what, s, err, answer.Error)
	}
	if into != nil {
		if err := json.Unmarshal(answer.Result, into); err != nil {
			b.t.Fatal(err)
		}
	}
}

// open opens a window of a size, desktop or phone.
func (b *browser) open(base, size string, dark bool) {
	b.t.Helper()
	b.do("open", settings{"base": base, "size": size, "dark": dark}, nil)
}

// visit opens a page, which must be there.
func (b *browser) visit(path string) {
	b.t.Helper()
	var status int
	if b.do("visit", settings{"path": path}, &status); status != 200 {
		b.t.Errorf("%s: status %d", path, status)
	}
}

// wait waits until an expression of JavaScript is true.
func (b *browser) wait(format string, args ...any) {
	b.t.Helper()
	b.do("wait", settings{"script": fmt.Sprintf(format, args...)}, nil)
}

// shows waits until the main part of the page has a text.
func (b *browser) shows(text string) {
	b.t.Helper()
	b.wait(`document.querySelector("main").innerText.includes(%q)`, text)
}

// at waits until the browser is at a path.
func (b *browser) at(path string) {
	b.t.Helper()
	b.wait(`location.pathname + location.search === %q && document.readyState === "complete"`, path)
}

// text gives what a script of JavaScript comes to.
func (b *browser) text(script string) (text string) {
	b.t.Helper()
	b.do("eval", settings{"script": script}, &text)
	return text
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click", settings{"selector": selector}, nil)
}

// search types into the field for searching, and Enter.
func (b *browser) search(text string) {
	b.t.Helper()
	b.do("fill", settings{"selector": "input[name=q]", "text": text}, nil)
	b.do("press", settings{"selector": "input[name=q]", "key": "Enter"}, nil)
}

// shot makes a picture of what is to be seen, among the test's artifacts.
func (b *browser) shot(name string) {
	b.t.Helper()
	b.do("shot", settings{"file": filepath.Join(b.t.ArtifactDir(), name+".png")}, nil)
}

// sound makes sure that nothing has gone wrong: no error in the console, no
// request to another host.
func (b *browser) sound() {
	b.t.Helper()
	var faults []string
	if b.do("faults", nil, &faults); len(faults) > 0 {
		b.t.Errorf("in the browser:\n%s", strings.Join(faults, "\n"))
	}
}

// accessible makes sure that axe-core finds nothing serious, and that the page
// is not wider than its window.
func (b *browser) accessible(name string) {
	b.t.Helper()
	var faults []string
	if b.do("axe", nil, &faults); len(faults) > 0 {
		b.t.Errorf("axe-core, on %s:\n%s", name, strings.Join(faults, "\n"))
	}
	if wide := b.text(`String(document.documentElement.scrollWidth - innerWidth)`); !strings.HasPrefix(wide, "-") && wide != "0" {
		b.t.Errorf("%s is %s pixels too wide", name, wide)
	}
}

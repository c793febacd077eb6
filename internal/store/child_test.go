package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"gapless/internal/store"
)

// The test binary runs again as another process with what it is to be in
// childEnv, and the file in childFile.
const (
	childEnv       = "GAPLESS_STORE_TEST_CHILD"
	childFile      = "GAPLESS_STORE_TEST_FILE"
	childRecording = "GAPLESS_STORE_TEST_RECORDING"
	childFrom      = "GAPLESS_STORE_TEST_FROM"
	childRights    = "GAPLESS_STORE_TEST_RIGHTS" // "none": those of nobody
)

func child(name string) error {
	ctx := context.Background()
	path := os.Getenv(childFile)
	switch name {
	case "hold":
		return hold(ctx, path)
	case "read":
		return read(ctx, path)
	case "tell":
		return tellNext(ctx, path)
	case "work":
		return work(ctx, path)
	case "spill":
		return spill(ctx, path)
	case "leave":
		return leave(ctx, path)
	}
	return fmt.Errorf("no child %q", name)
}

// hold has the file open until its standard input ends.
func hold(ctx context.Context, path string) error {
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// A process is a child under way.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startChild(t *testing.T, name, path string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+name, childFile+"="+path), env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(func() { p.kill() })
	return p
}

// kill ends the process as a power cut would, as far as the process can tell.
// It gives the lines that were still to be read.
func (p *process) kill() (rest []string) {
	_ = p.cmd.Process.Kill() // it may have ended
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	_ = p.cmd.Wait() // was killed
	return rest
}

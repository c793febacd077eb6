package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"

	"gapless/internal/sanitize"
)

// exec runs the command with the URL in its environment, and passes on the
// signal that ends this process. Its error has the command's exit code.
func (r *replay) exec(ctx context.Context, url string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	child := exec.Command(r.command[0], r.command[1:]...) // ends by itself, or by a signal passed on
	child.Env = append(os.Environ(), "ETH_RPC_URL="+url)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, sanitize.Unwrap(r.stdout), sanitize.Unwrap(r.stderr)
	if err := child.Start(); err != nil {
		return fmt.Errorf("%s: %w", r.command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	done := ctx.Done()
	for {
		select {
		case err := <-ended:
			return exitOf(child, err)
		case s := <-signals:
			done = nil // it is why ctx ends
			pass(child, s)
		case <-done:
			done = nil
			select {
			case s := <-signals:
				pass(child, s)
			default:
				pass(child, syscall.SIGTERM)
			}
		}
	}
}

// pass sends a signal to the child. One typed at a terminal has gone to both.
func pass(child *exec.Cmd, s os.Signal) {
	if s == os.Interrupt && isatty.IsTerminal(os.Stdin.Fd()) {
		return
	}
	if child.Process.Signal(s) != nil { // not on every system
		_ = child.Process.Kill()
	}
}

// exitOf is an error with the child's exit code, and as a shell has it where a
// signal has ended it. The child has said itself what was wrong.
func exitOf(child *exec.Cmd, err error) error {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &ended):
		return err
	}
	code := child.ProcessState.ExitCode()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return &exitError{code, errors.New("")}
}

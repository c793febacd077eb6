// Gapless indexes every block of a small EVM chain into one SQLite file, and
// leaves no gap.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"gapless/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(command.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

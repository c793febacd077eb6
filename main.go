// Gapless indexes every block of a small EVM chain into one SQLite file, and
// leaves no gap.
package main

import (
	"os"

	"gapless/internal/command"
)

func main() { os.Exit(command.Process()) }

package command

import (
	"cmp"
	"os"
	"runtime/debug"

	"gapless/internal/bytebudget"
)

const (
	defaultAnswers = "256MB"
	// leastAnswers is enough for an eighth of it to be an answer of usual size.
	leastAnswers = 16_000_000
	// besides is what the program takes beside answers, until it collects garbage
	// more often.
	besides = 192 << 20
)

// parseAnswers reads --answer-memory.
func parseAnswers(text string) (int64, error) {
	bytes, err := parseSize("--answer-memory", text)
	if err == nil && bytes < leastAnswers {
		err = usagef("--answer-memory is %q: use at least 16MB", text)
	}
	return bytes, err
}

// newAnswers makes the budget of all answers, of 0 bytes a usual one, and room for
// them in memory.
func newAnswers(bytes int64) *bytebudget.Budget {
	bytes = cmp.Or(bytes, bytebudget.Usual)
	limitMemory(besides + bytes)
	return bytebudget.New(bytes)
}

// limitMemory has garbage collected more often once the program takes that many bytes,
// unless the user has said when (https://pkg.go.dev/runtime#hdr-Environment_Variables).
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

package command

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"gapless/internal/store"
)

// room returns an error that wraps [store.ErrFull] while less is free on the
// disk than is to stay free.
func (s *service) room() error {
	free, known := freeDisk(filepath.Dir(s.store.Path()))
	if !known || free >= s.minFree {
		return nil
	}
	return fmt.Errorf("%w: %s are free, --min-free keeps %s", store.ErrFull, amount(free), amount(s.minFree))
}

// parseSize reads a number of bytes, perhaps with kB, MB, GB or TB.
func parseSize(flag, text string) (int64, error) {
	digits, unit := text, int64(1)
	for suffix, bytes := range map[string]int64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(rest), bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<62/unit {
		return 0, usagef("%s is %q: use a size as 256MB or 2GB", flag, text)
	}
	return n * unit, nil
}

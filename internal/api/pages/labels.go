package pages

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Labels are names of addresses, as their user calls them.
type Labels map[common.Address]string

// ReadLabels reads names of addresses, one a line: the address, then the name.
// Commas and tabs count as blanks; empty lines and those that begin with # are
// passed over.
func ReadLabels(r io.Reader) (Labels, error) {
	labels := make(Labels)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")) // of an editor of Windows
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, name := line, ""
		if i := strings.IndexAny(line, " \t,;"); i >= 0 {
			text, name = line[:i], strings.Trim(line[i:], " \t,;\"")
		}
		a, ok := parseAddress(strings.Trim(text, `"`))
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not an address and a name: %.60q", n, line)
		}
		labels[a] = name
	}
	return labels, lines.Err()
}

// parseAddress reads an address, with 0x or without.
func parseAddress(text string) (a common.Address, ok bool) {
	ok = parseFixed(text, a[:])
	return a, ok
}

// parseHash reads a hash, with 0x or without.
func parseHash(text string) (v common.Hash, ok bool) {
	ok = parseFixed(text, v[:])
	return v, ok
}

func parseFixed(text string, into []byte) bool {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	if len(digits) != 2*len(into) {
		return false
	}
	_, err := hex.Decode(into, []byte(digits))
	return err == nil
}

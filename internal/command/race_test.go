//go:build race

package command

// Under the race detector all is several times as slow.
func init() { underRace = true }

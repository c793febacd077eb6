//go:build e2e && unix

package e2e

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gapless/internal/node/nodetest"
	"gapless/internal/readme"
	"gapless/testdata"
)

// The tests that README shows work when they are pasted, on any chain that has a
// log: a short one, and one that does not begin with block 0.
func TestReadmeFixtures(t *testing.T) {
	server := httptest.NewServer(nodetest.New(testdata.Recording()))
	defer server.Close()
	var files []string
	for _, part := range [][]string{{"--until", "60"}, {"--from", "1100", "--until", "1110"}} {
		g := run(t, server.URL, part...)
		if code := g.wait(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		files = append(files, g.db)
	}
	for _, tt := range []struct {
		language, file string
		prepare        [][]string
		test           []string
	}{
		{"go", "chain_test.go", [][]string{{"go", "mod", "init", "example.org/chain"}, {"go", "mod", "tidy"}}, []string{"go", "test", "-count=1", "./..."}},
		{"ts", "chain.test.ts", [][]string{{"npm", "init", "-y"}, {"npm", "install", "viem@2.57.20", "tsx@4.23.15"}},
			[]string{"npx", "tsx", "--test", "chain.test.ts"}},
	} {
		t.Run(tt.language, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), readmeBlock(t, tt.language), 0o600); err != nil {
				t.Fatal(err)
			}
			commands := tt.prepare
			for _, db := range files {
				commands = append(commands, append([]string{binary, "replay", db, "--listen", "127.0.0.1:0", "--"}, tt.test...))
			}
			for _, command := range commands {
				cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
				cmd.Dir = dir
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", command, err, said)
				}
			}
		})
	}
}

// readmeBlock is the only block of a language in README.
func readmeBlock(t *testing.T, language string) []byte {
	t.Helper()
	blocks, err := readme.Blocks("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := readme.Of(blocks, language)
	if text == "" {
		t.Fatalf("README has no block of %s, or several", language)
	}
	return []byte(text)
}

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

// The tests that README shows work when they are pasted.
func TestReadmeFixtures(t *testing.T) {
	server := httptest.NewServer(nodetest.New(testdata.Recording()))
	defer server.Close()
	g := run(t, server.URL, "--until", "200")
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, tt := range []struct {
		language, file string
		prepare        [][]string
		test           []string
	}{
		{"go", "chain_test.go", [][]string{{"go", "mod", "init", "example.org/chain"}, {"go", "mod", "tidy"}}, []string{"go", "test", "./..."}},
		{"ts", "chain.test.ts", [][]string{{"npm", "init", "-y"}, {"npm", "install", "viem@2.57.20", "tsx@4.23.15"}},
			[]string{"npx", "tsx", "--test", "chain.test.ts"}},
	} {
		t.Run(tt.language, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), readmeBlock(t, tt.language), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range append(tt.prepare, append([]string{binary, "replay", g.db, "--listen", "127.0.0.1:0", "--"}, tt.test...)) {
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

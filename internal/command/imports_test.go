package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// Which package imports which, as section 3 of the design has it: tests are
// left out, packages of other modules too.
func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "./...")
	list.Dir = "../.."
	out, err := list.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Start(); err != nil {
		t.Fatal(err)
	}
	var edges strings.Builder
	for d := json.NewDecoder(out); ; {
		var p struct {
			ImportPath       string
			Imports, GoFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, "gapless/internal/e2e") || len(p.GoFiles) == 0 {
			continue // only for tests
		}
		var ours []string
		for _, path := range p.Imports {
			if name, ok := strings.CutPrefix(path, "gapless/"); ok {
				ours = append(ours, strings.TrimPrefix(name, "internal/"))
			}
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "gapless/"), "internal/")
		fmt.Fprintf(&edges, "%s: %s\n", name, strings.Join(ours, " "))
	}
	if err := list.Wait(); err != nil {
		t.Fatal(err)
	}
	golden(t, "imports", edges.String())
}

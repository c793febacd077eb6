package store_test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// modernc.org/sqlite is C translated for one version of modernc.org/libc, and
// works with no other: the build must have the one that its go.mod names.
func TestLibcIsTheOneOfSQLite(t *testing.T) {
	var sqlite struct{ Version, GoMod string }
	goCommand(t, &sqlite, "list", "-m", "-json", "modernc.org/sqlite")
	var libc struct{ Version string }
	goCommand(t, &libc, "list", "-m", "-json", "modernc.org/libc")
	var named struct {
		Require []struct{ Path, Version string }
	}
	goCommand(t, &named, "mod", "edit", "-json", sqlite.GoMod)
	for _, r := range named.Require {
		if r.Path == "modernc.org/libc" {
			if r.Version != libc.Version {
				t.Errorf("modernc.org/sqlite %s needs modernc.org/libc %s, but the build has %s", sqlite.Version, r.Version, libc.Version)
			}
			return
		}
	}
	t.Errorf("%s does not name modernc.org/libc", sqlite.GoMod)
}

func goCommand(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
}

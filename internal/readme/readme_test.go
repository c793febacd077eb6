package readme

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What stands indented or fenced is found, with the heading above it.
func TestParse(t *testing.T) {
	got := parse("README.md", "# name\n\n    go build .  # makes it\n\n    # a comment\n    ./name 'a # b'\n\ntext\n\n## Queries\n\n"+
		"    -- one\n    SELECT 1;\n\n    -- two\n    SELECT 2;\n```go\nif a {\n\n    b()\n}\n```\n- a list\n    that goes on\n")
	want := []Block{
		{"README.md", "", "", "go build .  # makes it\n\n# a comment\n./name 'a # b'\n"},
		{"README.md", "Queries", "", "-- one\nSELECT 1;\n\n-- two\nSELECT 2;\n"},
		{"README.md", "Queries", "go", "if a {\n\n    b()\n}\n"},
		{"README.md", "Queries", "", "that goes on\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("blocks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"go build .", "./name 'a # b'"}, got[0].Commands()); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"-- one\nSELECT 1;", "-- two\nSELECT 2;"}, got[1].Queries()); diff != "" || !got[1].IsSQL() || got[0].IsSQL() {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	if text := Of(got, "go"); text != got[2].Text || Of(got, "") != "" {
		t.Errorf("the block of Go: %q", text)
	}
}

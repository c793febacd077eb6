package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// A pathUse is a flag or argument that takes a path, in a command that needs
// nothing else.
type pathUse struct {
	name   string // of the command, and of the flag or argument
	kind   string // what has to be there before, see fixtures; empty for nothing
	args   string // PATH stands for the path, DB for a file, NODE for a node, OUT for a name that is free
	folder bool   // it is a folder
}

// pathUses are all flags and arguments that take a path.
var pathUses = []pathUse{
	{"gapless --db", "", "--db PATH --rpc NODE --listen off --until 9 --log-level error", false},
	{"gapless --rpc-file", "nodes", "--rpc-file PATH --db OUT --listen off --until 9 --log-level error", false},
	{"gapless --abi", "abis", "--abi PATH --db OUT --rpc NODE --listen 127.0.0.1:0 --until 9 --log-level error", true},
	{"gapless --labels", "labels", "--labels PATH --db OUT --rpc NODE --listen 127.0.0.1:0 --until 9 --log-level error", false},
	{"run --db", "", "run --db PATH --rpc NODE --listen off --until 9 --log-level error", false},
	{"run --rpc-file", "nodes", "run --rpc-file PATH --db OUT --listen off --until 9 --log-level error", false},
	{"run --abi", "abis", "run --abi PATH --db OUT --rpc NODE --listen 127.0.0.1:0 --until 9 --log-level error", true},
	{"run --labels", "labels", "run --labels PATH --db OUT --rpc NODE --listen 127.0.0.1:0 --until 9 --log-level error", false},
	{"status --db", "db", "status --db PATH", false},
	{"gaps --db", "db", "gaps --db PATH", false},
	{"retry --db", "gappy", "retry 4 --db PATH", false},
	{"skip --db", "gappy", "skip 4 --reason lost --db PATH", false},
	{"prune --db", "db", "prune --below 0 --db PATH", false},
	{"verify --db", "db", "verify --db PATH", false},
	{"verify --lake", "lake", "verify --db DB --lake PATH", true},
	{"verify --rpc-file", "nodes", "verify --db DB --repair --rpc-file PATH", false},
	{"export --db", "db", "export --format jsonl --db PATH", false},
	{"export --out", "", "export --format sqlite --db DB --out PATH", false},
	{"export --out", "", "export --format jsonl --db DB --out PATH", false},
	{"export --out", "", "export --format csv --db DB --out PATH", true},
	{"export --out", "", "export --format parquet --db DB --out PATH", true},
	{"export --receipts", "", "export --format rlp --db DB --out OUT --receipts PATH", false},
	{"digest --db", "db", "digest --db PATH", false},
	{"diff A", "db", "diff PATH DB", false},
	{"diff B", "db", "diff DB PATH", false},
	{"import --db", "", "import BLOCKS --receipts RECEIPTS --chain-id 1337 --db PATH", false},
	{"import FILE", "blocks", "import PATH --receipts RECEIPTS --chain-id 1337 --db OUT", false},
	{"import --receipts", "receipts", "import BLOCKS --receipts PATH --chain-id 1337 --db OUT", false},
	{"backup OUT", "", "backup PATH --db DB", false},
	{"backup --db", "db", "backup OUT --db PATH", false},
	{"restore BACKUP", "db", "restore PATH --db OUT", false},
	{"restore --db", "", "restore DB --db PATH", false},
	{"replay FILE", "db", "replay PATH --listen 127.0.0.1:0 -- go version", false},
}

// No flag or argument that takes a path is left out above, and each is told by its
// type from those that don't.
func TestPathUsesAreAll(t *testing.T) {
	want := map[string]bool{}
	root, subs := commands()
	for _, c := range append(subs, root) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			items := parseUsage(c.Long).flag(f.Name)
			if c == root {
				items = parseUsage(runUsage).flag(f.Name)
			}
			named := len(items) == 1 && slices.Contains([]string{"FILE", "DIR"}, items[0].argument())
			typed := f.Value.Type() == "path" || f.Value.Type() == "paths"
			if named != typed {
				t.Errorf("%s --%s: it is of type %s, but the usage text says %v", c.Name(), f.Name, f.Value.Type(), items)
			}
			if typed {
				want[c.Name()+" --"+f.Name] = true
			}
		})
		if _, which := arguments(c); which == all {
			for _, word := range regexp.MustCompile(`\b(FILE|A|B|OUT|BACKUP)\b`).FindAllString(strings.SplitN(parseUsage(c.Long).synopsis[0], "[", 2)[0], -1) {
				want[c.Name()+" "+word] = true
			}
		}
	}
	got := map[string]bool{}
	for _, use := range pathUses {
		got[use.name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags and arguments that take a path (-there are +tested):\n%s", diff)
	}
}

// A pathBench has what the commands need beside the path that is tested.
type pathBench struct {
	t       *testing.T
	content map[string]string
	node    string
	lake    string
}

func newPathBench(t *testing.T) *pathBench {
	b := &pathBench{t: t, content: make(map[string]string)}
	_, b.node = serve(t, 9)
	db, archive := writeFile(t, 9), filepath.Join(t.TempDir(), "archive")
	mustGapless(t, "export", "--db", db, "--format", "rlp", "--out", archive, "--receipts", archive+".receipts")
	b.content["db"], b.content["gappy"] = contentOf(t, db), contentOf(t, writeFile(t, 9, missing(4)...))
	b.content["blocks"], b.content["receipts"] = contentOf(t, archive), contentOf(t, archive+".receipts")
	b.lake = filepath.Join(t.TempDir(), "lake")
	mustGapless(t, "export", "--db", db, "--format", "parquet", "--out", b.lake)
	b.content["nodes"] = b.node + "\n"
	b.content["labels"] = "0x00000000000000000000000000000000000000aa somebody\n"
	return b
}

// put makes at a path what a use needs there.
func (b *pathBench) put(kind, path string) {
	b.t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	switch {
	case err != nil || kind == "":
	case kind == "lake":
		err = os.CopyFS(path, os.DirFS(b.lake))
	case kind == "abis":
		if err = os.MkdirAll(path, 0o755); err == nil {
			err = os.WriteFile(filepath.Join(path, "Token.json"), []byte(`{"abi":[{"type":"function","name":"poke","inputs":[]}]}`), 0o644)
		}
	default:
		err = os.WriteFile(path, []byte(b.content[kind]), 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// run runs the command of a use with a path.
func (b *pathBench) run(use pathUse, path string) (code int, said string) {
	b.t.Helper()
	code, stdout, stderr := gapless(b.t, b.args(use, path)...)
	return code, stdout + stderr
}

// args are those of the command of a use with a path.
func (b *pathBench) args(use pathUse, path string) []string {
	b.t.Helper()
	beside := b.t.TempDir()
	b.put("db", filepath.Join(beside, "DB"))
	b.put("blocks", filepath.Join(beside, "BLOCKS"))
	b.put("receipts", filepath.Join(beside, "RECEIPTS"))
	args := strings.Fields(use.args)
	for i, arg := range args {
		switch arg {
		case "PATH":
			args[i] = path
		case "NODE":
			args[i] = b.node
		case "DB", "OUT", "BLOCKS", "RECEIPTS":
			args[i] = filepath.Join(beside, arg)
		}
	}
	return args
}

// Every path works, however it leads to its place and whatever letters it has.
func TestPaths(t *testing.T) {
	b := newPathBench(t)
	forms := map[string]struct {
		place string // relative to the working folder
		path  func(place string) string
	}{
		"relative": {"50% of #1, é中 [b] *.db", func(place string) string { return place }},
		"absolute": {"%41 #2 ü [a/here", func(place string) string { path, _ := filepath.Abs(place); return path + "//" }},
		"below":    {"a/b/here.db", func(place string) string { return "./a/../a/b/here.db/" }},
		"a dash":   {"--here", func(place string) string { return "./" + place }},
		"link":     {"far/away/here", func(place string) string { return symlink(t, place, "link") }},
		"link of a link": {"far/away/here", func(place string) string {
			path, _ := filepath.Abs(place)
			return symlink(t, symlink(t, path, "near/first"), "second") + "/"
		}},
		"linked folder": {"far/away/here", func(place string) string { return symlink(t, "far", "near") + "/away/here" }},
	}
	if runtime.GOOS != "windows" {
		forms["question mark"] = struct {
			place string
			path  func(string) string
		}{"what?mode=ro&x/why?", func(place string) string { return place }}
	}
	for name, form := range forms {
		for _, use := range pathUses {
			t.Run(fmt.Sprintf("%s/%s", name, use.args), func(t *testing.T) {
				t.Chdir(t.TempDir())
				b := &pathBench{t, b.content, b.node, b.lake}
				b.put(use.kind, form.place)
				if code, said := b.run(use, form.path(form.place)); code != 0 {
					t.Fatalf("exit %d: %s", code, said)
				}
				info, err := os.Lstat(form.place)
				if err != nil || info.IsDir() != use.folder || info.Size() == 0 {
					t.Errorf("at the place is %v, %v", info, err)
				}
			})
		}
	}
}

// symlink makes a link and gives its path.
func symlink(t *testing.T, to, link string) string {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(link), 0o755)
	if err == nil {
		err = os.Symlink(to, link)
	}
	if err != nil {
		t.Skipf("NOT TESTED: no links here: %v", err)
	}
	return link
}

// The working folder is one that can be named where a folder is wanted.
func TestPathOfWorkingFolder(t *testing.T) {
	b := newPathBench(t)
	for _, use := range pathUses {
		if !use.folder {
			continue
		}
		for _, path := range []string{".", "./", "../here"} {
			t.Run(use.args+" "+path, func(t *testing.T) {
				folder := filepath.Join(t.TempDir(), "here")
				b := &pathBench{t, b.content, b.node, b.lake}
				switch use.kind {
				case "":
					b.put("abis", folder)
					empty(t, folder)
				default:
					b.put(use.kind, folder)
				}
				t.Chdir(folder)
				if code, said := b.run(use, path); code != 0 || len(filesIn(t, folder)) == 0 {
					t.Errorf("exit %d: %s", code, said)
				}
			})
		}
	}
}

// A path that can't be meant, or leads nowhere, is refused with one message that
// says what to do, and nothing is written.
func TestWrongPaths(t *testing.T) {
	b := newPathBench(t)
	working := regexp.MustCompile(`/\S*?/Test\w+/\d+/`)
	said := make(map[string][]string) // which flags and arguments by what is said of them
	for _, use := range pathUses {
		for _, path := range []string{"", "s3://bucket/secret", "https://user:secret@127.0.0.1/secret", "absent", "no/such/folder", "file/in", "folder", "dangling"} {
			t.Chdir(t.TempDir())
			b.put("labels", "file")
			b.put("labels", "folder/file")
			symlink(t, "no/such/place", "dangling")
			before := filesIn(t, ".")
			code, text := b.run(use, path)
			if strings.Contains(text, "secret") {
				t.Errorf("gapless %s: a secret is told: %s", use.args, text)
			}
			if code == 0 {
				continue // a new file, or any folder
			}
			if diff := cmp.Diff(before, filesIn(t, ".")); diff != "" {
				t.Errorf("gapless %s with %s leaves (-before +after):\n%s", use.args, path, diff)
			}
			key := fmt.Sprintf("%q\n%sexit %d\n", path, working.ReplaceAllString(text, "/"), code)
			said[key] = append(said[key], use.name)
		}
	}
	var all strings.Builder
	for _, text := range slices.Sorted(maps.Keys(said)) {
		fmt.Fprintf(&all, "%s  %s\n\n", text, strings.Join(slices.Compact(said[text]), ", "))
	}
	golden(t, "paths", all.String())
}

// A command that a message names works when it is pasted.
func TestPasted(t *testing.T) {
	for path, want := range map[string]string{
		"gapless.db": "gapless.db", `C:\data\é.db`: `C:\data\é.db`, "my chain.db": "'my chain.db'", "it's": `'it'\''s'`, "a&b": "'a&b'",
	} {
		if got := pasted(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

package command

import (
	"runtime/debug"
	"strings"
	"testing"
)

// The pages, as they are for man. A build with a revision has a date and a
// version; this one has not.
func TestManual(t *testing.T) {
	golden(t, "manual", mustGapless(t, "man")+mustGapless(t, "man", "export"))
	_, subs := commands()
	for _, c := range subs {
		page := mustGapless(t, "man", c.Name())
		for _, want := range []string{".TH GAPLESS-" + strings.ToUpper(c.Name()) + " 1 ", "\n.SH NAME\ngapless\\-" + c.Name() + " \\- ", "\n.SH DESCRIPTION\n"} {
			if !strings.Contains(page, want) {
				t.Errorf("no %q in\n%s", want, page)
			}
		}
	}
	if code, _, stderr := gapless(t, "man", "frobnicate"); code != exitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"--db FILE":    `\-\-db FILE`,
		".SH":          `\&.SH`,
		"'Name: v'":    `\&'Name: v'`,
		`a\b "c" ~^`:   `a\eb \(dqc\(dq \(ti\(ha`,
		"`gapless -h`": "\\(gagapless \\-h\\(ga",
	} {
		if got := roff(text); got != want {
			t.Errorf("%s is %s instead of %s", text, got, want)
		}
	}
}

func TestVersionOf(t *testing.T) {
	const revision = "b6b4bdbc3f61ee7128436eb8f8728340d0ff8e98"
	built := func(version, modified string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		if modified != "" {
			info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified},
				{Key: "vcs.time", Value: "2026-11-28T18:22:46Z"}}
		}
		return info
	}
	for _, tt := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "unknown"},
		{built("", ""), "(devel)"},
		{built("(devel)", ""), "(devel)"},
		{built("(devel)", "false"), "(devel) b6b4bdbc3f61"},
		{built("v1.2.3", "false"), "v1.2.3 b6b4bdbc3f61"},
		{built("v0.0.0-20261128182246-b6b4bdbc3f61", "false"), "v0.0.0-20261128182246-b6b4bdbc3f61"},
		{built("v0.0.0-20261128182246-b6b4bdbc3f61+dirty", "true"), "v0.0.0-20261128182246-b6b4bdbc3f61 with changes"},
		{built("v1.2.3+dirty", "true"), "v1.2.3 b6b4bdbc3f61 with changes"},
	} {
		if got := versionOf(tt.info); got != tt.want {
			t.Errorf("%q instead of %q", got, tt.want)
		}
	}
	if day := committed(built("v1.2.3", "false")); day != "2026-11-28" {
		t.Errorf("committed on %q", day)
	}
}

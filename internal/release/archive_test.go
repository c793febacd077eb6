package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// An archive is the same bytes in whatever order its files come, with one time
// and nobody as the owner.
func TestPack(t *testing.T) {
	entries := []entry{{name: "gapless", data: []byte("#!"), program: true}, {name: "man/gapless.1", data: []byte(".TH")}, {name: "README.md", data: []byte("gapless")}}
	for _, tt := range []struct {
		os   string
		list func(*testing.T, []byte) string
	}{{"linux", listTarGz}, {"windows", listZip}} {
		t.Run(tt.os, func(t *testing.T) {
			var made [][]byte
			for range 2 {
				file, err := target{os: tt.os}.pack(filepath.Join(t.TempDir(), "g"), entries, noon)
				if err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				made = append(made, data)
				slices.Reverse(entries)
			}
			if !bytes.Equal(made[0], made[1]) {
				t.Error("the order makes a difference")
			}
			want := "drwxr-xr-x 0 0 g/\n-rw-r--r-- 0 7 g/README.md\n-rwxr-xr-x 0 2 g/gapless\ndrwxr-xr-x 0 0 g/man/\n-rw-r--r-- 0 3 g/man/gapless.1\n"
			if diff := cmp.Diff(want, tt.list(t, made[0])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func listTarGz(t *testing.T, data []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(noon) {
			t.Errorf("%s is of %s", h.Name, h.ModTime)
		}
		fmt.Fprintf(&list, "%s %d %d %s\n", h.FileInfo().Mode(), h.Uid+h.Gid, h.Size, h.Name)
	}
}

func listZip(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, f := range z.File {
		if !f.Modified.Equal(noon) {
			t.Errorf("%s is of %s", f.Name, f.Modified)
		}
		fmt.Fprintf(&list, "%s 0 %d %s\n", f.Mode(), f.UncompressedSize64, f.Name)
	}
	return list.String()
}

func TestChoose(t *testing.T) {
	names := func(only string) (names []string) {
		chosen, err := choose(only)
		if err != nil {
			return []string{err.Error()}
		}
		for _, t := range chosen {
			names = append(names, t.os+"/"+t.architecture())
		}
		return names
	}
	for only, want := range map[string][]string{
		"":                        {"linux/amd64", "linux/arm64", "linux/armv7", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"},
		"linux/armv7,linux/amd64": {"linux/armv7", "linux/amd64"},
		"linux/arm":               {`there is no build for "linux/arm"`},
	} {
		if diff := cmp.Diff(want, names(only)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", only, diff)
		}
	}
}

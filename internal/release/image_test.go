package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	spec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An image is read as an engine does: from the index by hashes and sizes to the
// files.
func TestImage(t *testing.T) {
	s := source{version: "v1.2.3", commit: strings.Repeat("7", 40), time: noon}
	file := filepath.Join(t.TempDir(), "image.tar")
	builds := []build{{target{os: "linux", arch: "amd64"}, []byte("amd64's")}, {target{os: "linux", arch: "arm", arm: "7"}, []byte("armv7's")}}
	if err := s.image(file, builds, []byte("licences")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := untar(t, bytes.NewReader(data))
	var top, index spec.Index
	read(t, parts["index.json"], &top)
	read(t, follow(t, parts, top.Manifests[0]), &index)
	var all strings.Builder
	for _, d := range index.Manifests {
		var m spec.Manifest
		read(t, follow(t, parts, d), &m)
		var c config
		read(t, follow(t, parts, m.Config), &c)
		z, err := gzip.NewReader(bytes.NewReader(follow(t, parts, m.Layers[0])))
		if err != nil {
			t.Fatal(err)
		}
		layer, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(layer); got != c.RootFS.DiffIDs[0] {
			t.Errorf("the layer is %s, its configuration says %s", got, c.RootFS.DiffIDs[0])
		}
		files := untar(t, bytes.NewReader(layer))
		fmt.Fprintf(&all, "%s/%s%s %s/%s as %s: %s %s, checked by %s; %s\n", d.Platform.OS, d.Platform.Architecture, d.Platform.Variant,
			c.OS, c.Architecture, c.Config.User, c.Config.Entrypoint, c.Config.Cmd, c.Config.Healthcheck.Test, files["gapless"])
	}
	want := `linux/amd64 linux/amd64 as 65532:65532: [/gapless] [run], checked by [CMD /gapless status --ready]; amd64's
linux/armv7 linux/arm as 65532:65532: [/gapless] [run], checked by [CMD /gapless status --ready]; armv7's
`
	if diff := cmp.Diff(want, all.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// follow gives what a descriptor points to.
func follow(t *testing.T, parts map[string][]byte, d spec.Descriptor) []byte {
	t.Helper()
	data, ok := parts[blob(d.Digest)]
	if !ok || digest.FromBytes(data) != d.Digest || int64(len(data)) != d.Size {
		t.Fatalf("%s of %d bytes: %t, %d bytes of %s", d.Digest, d.Size, ok, len(data), digest.FromBytes(data))
	}
	return data
}

func read(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

func untar(t *testing.T, from io.Reader) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err == nil {
			files[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The certificates are those that a program for TLS needs.
func TestCertificates(t *testing.T) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certificates()) {
		t.Fatal("no certificate can be read")
	}
	if n := strings.Count(string(certificates()), "BEGIN CERTIFICATE"); n < 100 {
		t.Errorf("only %d certificates", n)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	spec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who the program runs as in a container: nobody whom the machine knows.
const user = 65532

// An image is one of containers, for several systems, as a file of the Open
// Container Initiative (https://github.com/opencontainers/image-spec). Its parts
// are kept by the hash of each.
type image struct {
	source
	blobs map[digest.Digest][]byte
}

// image writes an image of the programs for Linux. docker load of a Docker
// without containerd's store needs a list of its own, in which there is one image
// for each system.
func (s source) image(file string, builds []build, licences []byte) error {
	i := image{s, make(map[digest.Digest][]byte)}
	index := spec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: spec.MediaTypeImageIndex}
	var list []dockerImage
	for _, b := range builds {
		manifest, docker, err := i.add(b, licences)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, manifest)
		list = append(list, docker)
	}
	whole, err := i.keep(spec.MediaTypeImageIndex, index)
	if err != nil {
		return err
	}
	whole.Annotations = map[string]string{spec.AnnotationRefName: s.version, "io.containerd.image.name": "docker.io/library/gapless:" + s.version}
	top := spec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: spec.MediaTypeImageIndex, Manifests: []spec.Descriptor{whole}}
	return i.write(file, map[string]any{
		spec.ImageLayoutFile: spec.ImageLayout{Version: spec.ImageLayoutVersion}, spec.ImageIndexFile: top, "manifest.json": list,
	})
}

// A dockerImage is an image in the list of docker save.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// add adds the image of one system.
func (i image) add(b build, licences []byte) (manifest spec.Descriptor, docker dockerImage, err error) {
	layer, content, err := i.layer(b, licences)
	if err != nil {
		return manifest, docker, err
	}
	config, err := i.keep(spec.MediaTypeImageConfig, i.config(b, content))
	if err != nil {
		return manifest, docker, err
	}
	manifest, err = i.keep(spec.MediaTypeImageManifest, spec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: spec.MediaTypeImageManifest, Config: config, Layers: []spec.Descriptor{layer},
	})
	platform := b.platform()
	manifest.Platform = &platform
	docker = dockerImage{Config: blob(config.Digest), RepoTags: []string{"gapless:" + i.version + "-" + b.architecture()}, Layers: []string{blob(layer.Digest)}}
	return manifest, docker, err
}

// A config is that of an image, with the check that Docker runs in a container,
// of which the specification does not know.
type config struct {
	spec.Image
	Config struct {
		spec.ImageConfig
		Healthcheck healthcheck
	} `json:"config"`
}

type healthcheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration // nanoseconds
}

func (i image) config(b build, content digest.Digest) config {
	c := config{Image: spec.Image{
		Created: &i.time, Platform: b.platform(),
		RootFS:  spec.RootFS{Type: "layers", DiffIDs: []digest.Digest{content}},
		History: []spec.History{{Created: &i.time, CreatedBy: "internal/release", Comment: "gapless " + i.version}},
	}}
	c.Config.ImageConfig = spec.ImageConfig{
		User: fmt.Sprintf("%d:%[1]d", user), WorkingDir: "/data", Entrypoint: []string{"/gapless"}, Cmd: []string{"run"},
		Env:          []string{"GAPLESS_DB=/data/gapless.db", "GAPLESS_LISTEN=0.0.0.0:8600"}, // a container is a machine of its own
		ExposedPorts: map[string]struct{}{"8600/tcp": {}}, Volumes: map[string]struct{}{"/data": {}}, StopSignal: "SIGTERM",
		Labels: map[string]string{
			spec.AnnotationTitle: "gapless", spec.AnnotationDescription: "Indexes every block of an EVM chain into one SQLite file, and leaves no gap",
			spec.AnnotationVersion: i.version, spec.AnnotationRevision: i.commit, spec.AnnotationCreated: i.time.Format(time.RFC3339),
		},
	}
	c.Config.Healthcheck = healthcheck{Test: []string{"CMD", "/gapless", "status", "--ready"},
		Interval: 30 * time.Second, Timeout: 15 * time.Second, StartPeriod: 30 * time.Second}
	return c
}

func (b build) platform() spec.Platform {
	p := spec.Platform{OS: b.os, Architecture: b.arch}
	if b.arch == "arm" {
		p.Variant = "v" + b.arm
	}
	return p
}

// layer makes the files of an image. There is nothing in it but the program and
// what it looks for: certificates, a folder for temporary files, the volume.
func (i image) layer(b build, licences []byte) (compressed spec.Descriptor, content digest.Digest, err error) {
	program := b.entry()
	var files, packed bytes.Buffer
	entries := complete([]entry{
		program, {name: "THIRD-PARTY-LICENCES.txt", data: licences},
		{name: "etc/ssl/certs/ca-certificates.crt", data: certificates()},
		{name: "etc/passwd", data: fmt.Appendf(nil, "gapless:x:%d:%[1]d::/data:/gapless\n", user)},
		{name: "etc/group", data: fmt.Appendf(nil, "gapless:x:%d:\n", user)},
		{name: "data/", owner: user, mode: 0o750}, {name: "tmp/", mode: 0o1777},
	})
	if err := writeTar(&files, entries, i.time); err != nil {
		return compressed, "", err
	}
	if err := writeTarGz(&packed, entries, i.time); err != nil {
		return compressed, "", err
	}
	return i.blob(spec.MediaTypeImageLayerGzip, packed.Bytes()), digest.FromBytes(files.Bytes()), nil
}

// certificates are the roots that Mozilla trusts, of the version that go.mod
// names and not of this machine. Left out are those that it trusts with
// limits, which this form can't tell.
func certificates() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			all.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return all.Bytes()
}

// keep keeps an object as JSON.
func (i image) keep(mediaType string, object any) (spec.Descriptor, error) {
	data, err := json.Marshal(object)
	return i.blob(mediaType, data), err
}

func (i image) blob(mediaType string, data []byte) spec.Descriptor {
	d := digest.FromBytes(data)
	i.blobs[d] = data
	return spec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// blob is where a part is in the file.
func blob(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// write writes the file: the parts, and what points to them.
func (i image) write(file string, top map[string]any) (err error) {
	var entries []entry
	for d, data := range i.blobs {
		entries = append(entries, entry{name: blob(d), data: data})
	}
	for name, object := range top {
		data, err := json.Marshal(object)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: name, data: data})
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := writeTar(io.Writer(f), complete(entries), i.time); err != nil {
		_ = f.Close() // the other error says more
		return err
	}
	return f.Close()
}

// Release builds all that a release of gapless is made of: an archive for each
// system, an image for containers, and checksums. It builds what is committed,
// in a clone of its own; the same commit and the same Go give the same bytes,
// on whatever machine and in whatever folder.
//
//	go -C internal/release run .
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("out", "dist", "the folder to write to, in that of the repository; it is made")
	only := flag.String("only", "", "systems to build for, separated by commas, as linux/arm64,linux/armv7 (all)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := release(ctx, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release builds into a folder.
func release(ctx context.Context, out, only string) (err error) {
	targets, err := choose(only)
	if err != nil {
		return err
	}
	top, err := output(ctx, "", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if !filepath.IsAbs(out) {
		out = filepath.Join(top, out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gapless-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	source, err := clone(ctx, top, filepath.Join(work, "source"))
	if err != nil {
		return err
	}
	fmt.Printf("gapless %s of %s\n", source.version, source.time.Format("2006-01-02 15:04:05 UTC"))
	docs, err := source.documents(ctx, work)
	if err != nil {
		return err
	}
	licences, err := source.licences(ctx, targets)
	if err != nil {
		return err
	}
	docs = append(docs, entry{name: "THIRD-PARTY-LICENCES.txt", data: licences})
	var made []string
	var images []build
	for _, t := range targets {
		b, err := source.build(ctx, t, work)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("gapless-%s-%s-%s", source.version, t.os, t.architecture())
		file, err := t.pack(filepath.Join(out, name), append([]entry{b.entry()}, docs...), source.time)
		if err != nil {
			return err
		}
		made = append(made, file)
		if t.os == "linux" {
			images = append(images, b)
		}
	}
	if len(images) > 0 {
		file := filepath.Join(out, fmt.Sprintf("gapless-%s-image.tar", source.version))
		if err := source.image(file, images, licences); err != nil {
			return err
		}
		made = append(made, file)
	}
	return sum(filepath.Join(out, "SHA256SUMS"), made)
}

// choose gives the targets of a list, all for an empty one.
func choose(only string) (chosen []target, err error) {
	if only == "" {
		return targets(), nil
	}
names:
	for name := range strings.SplitSeq(only, ",") {
		for _, t := range targets() {
			if t.os+"/"+t.architecture() == name {
				chosen = append(chosen, t)
				continue names
			}
		}
		return nil, fmt.Errorf("there is no build for %q", name)
	}
	return chosen, nil
}

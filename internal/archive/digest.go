package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"gapless/internal/chain"
)

// A Digest commits to all that a chain says in a range of blocks. It is the
// SHA-256 of its own text up to the hash, with a line feed for the space before
// it, and the canonical form of each block ([chain.Block.AppendCanonical]), one after
// the other.
//
// The form is that of version 1, whatever this program may learn of blocks
// later: a form that holds more gets another version.
type Digest struct {
	ChainID  uint64
	From, To uint64
	Hash     [sha256.Size]byte
}

// digestName is the name and version of the form.
const digestName = "gapless-digest/1"

// String is the digest as one line: gapless-digest/1 1337 0-20000 9b9b….
func (d Digest) String() string { return d.about() + " " + hex.EncodeToString(d.Hash[:]) }

func (d Digest) about() string {
	return fmt.Sprintf("%s %d %d-%d", digestName, d.ChainID, d.From, d.To)
}

var digestLine = regexp.MustCompile(`^` + digestName + ` (\d+) (\d+)-(\d+) ([0-9a-f]{64})$`)

// ParseDigest reads what String wrote.
func ParseDigest(line string) (d Digest, err error) {
	m := digestLine.FindStringSubmatch(line)
	if m == nil {
		return d, fmt.Errorf("%q is no digest of this program, which are like %q", line, digestName+" 1337 0-20000 9b9b…")
	}
	for i, into := range []*uint64{&d.ChainID, &d.From, &d.To} {
		if *into, err = strconv.ParseUint(m[i+1], 10, 64); err != nil {
			return d, err
		}
	}
	_, err = hex.Decode(d.Hash[:], []byte(m[4]))
	return d, err
}

// Digest computes the digest of the selection.
func (s *Selection) Digest(ctx context.Context) (Digest, error) {
	d := Digest{ChainID: s.Identity.ChainID, From: s.From, To: s.To}
	hash := sha256.New()
	io.WriteString(hash, d.about()+"\n")
	err := read(ctx, s, chain.QuickChecks, canonical, func(form []byte) error {
		hash.Write(form)
		return nil
	})
	hash.Sum(d.Hash[:0])
	return d, err
}

// canonical gives the canonical form of blocks.
func canonical(blocks []*chain.Block) (form []byte, _ error) {
	for _, b := range blocks {
		form = b.AppendCanonical(form)
	}
	return form, nil
}

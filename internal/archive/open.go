package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

// open opens the files and finds the blocks in them.
func (s *Source) open(ctx context.Context, paths, receipts []string) (all []container, err error) {
	var withReceipts []string
	for _, path := range paths {
		f, err := s.openFile(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		start, err := f.peek(8)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var c container
		switch {
		case bytes.HasPrefix(start, []byte("{")):
			c, err = openLines(ctx, f)
		case bytes.HasPrefix(start, era1Magic):
			c, err = openEra1(ctx, f)
		case len(start) > 0 && start[0] >= 0xc0:
			if len(withReceipts) == len(receipts) {
				return nil, fmt.Errorf("%s: the blocks are without their receipts; name a file of them with --receipts", path)
			}
			withReceipts = receipts[:len(withReceipts)+1]
			c, err = s.openRLP(ctx, f, receipts[len(withReceipts)-1])
		default:
			err = errors.New("neither JSON lines of blocks, nor era1, nor RLP")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(withReceipts) < len(receipts) {
		return nil, fmt.Errorf("%s: there is no file of RLP blocks for these receipts", receipts[len(withReceipts)])
	}
	return all, nil
}

// A file is an archive that can be read at any place.
type file struct {
	io.ReaderAt
	size  int64
	label string
}

// openFile opens a file. One that is compressed, or is no file, is written to a
// temporary one, which goes when the source is closed.
func (s *Source) openFile(ctx context.Context, path string) (*file, error) {
	in := os.Stdin
	if path != "-" {
		var err error
		if in, err = pause.Await(ctx, func() (*os.File, error) { return os.Open(path) }); err != nil { // a pipe waits for its writer
			return nil, err
		}
		s.closers = append(s.closers, in)
	}
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(pause.Reader{Context: ctx, From: in}, 1<<20)
	plain, err := decompress(buffered)
	if err != nil {
		return nil, err
	}
	if plain == nil && info.Mode().IsRegular() {
		return &file{in, info.Size(), filepath.Base(path)}, nil
	}
	if plain == nil {
		plain = buffered
	}
	spooled, size, err := s.spool(plain)
	return &file{spooled, size, filepath.Base(path)}, err
}

// decompress gives the content of a compressed stream, nil if it is not one.
func decompress(in *bufio.Reader) (io.Reader, error) {
	start, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd.NewReader(in, zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderConcurrency(1))
	}
	return nil, nil
}

// spool writes a stream to a temporary file.
func (s *Source) spool(in io.Reader) (*os.File, int64, error) {
	out, err := os.CreateTemp("", "gapless-import-")
	if err != nil {
		return nil, 0, err
	}
	s.closers = append(s.closers, temporary{out})
	size, err := io.Copy(out, in)
	return out, size, err
}

// A temporary file goes when it is closed.
type temporary struct{ *os.File }

func (t temporary) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }

func (f *file) name() string { return f.label }

// peek gives the first bytes, fewer if the file is shorter.
func (f *file) peek(n int) ([]byte, error) {
	start := make([]byte, min(int64(n), f.size))
	_, err := f.ReadAt(start, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return start, err
}

// mostBytes is what one block may take in an archive, receipts and all.
const mostBytes = 1 << 30

// part reads a part of the file, whose length the file itself may have told.
func (f *file) part(at, length int64) ([]byte, error) {
	switch {
	case at < 0 || length < 0 || length > f.size-at:
		return nil, cutOff(at)
	case length > mostBytes:
		return nil, wrong("a block of %d bytes at byte %d", length, at)
	}
	content := make([]byte, length)
	_, err := f.ReadAt(content, at)
	return content, err
}

func cutOff(at int64) error { return wrong("the file ends inside what begins at byte %d", at) }

// wrong makes the error of data that is not as it should be.
func wrong(format string, args ...any) error {
	return &chain.Error{Class: chain.Invalid, Err: fmt.Errorf(format, args...)}
}

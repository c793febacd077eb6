package command

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// nodeFlags are the flags that say which nodes are asked, as they were given.
type nodeFlags struct {
	rpc       []string
	rpcHeader []string
	rpcFile   string
	timeout   time.Duration
}

const defaultNode = "http://127.0.0.1:8545"

func (f *nodeFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.rpc, "rpc", nil, "")
	flags.StringArrayVar(&f.rpcHeader, "rpc-header", nil, "")
	pathFlag(flags, &f.rpcFile, "rpc-file", "", aFile)
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "")
}

// isNodeFlag is a flag of those, or --db.
func isNodeFlag(flag string) bool {
	return isDB(flag) || strings.HasPrefix(flag, "rpc") || flag == "timeout"
}

const leastTimeout, mostTimeout = time.Second, 10 * time.Minute

// into makes of the flags what a service needs.
func (f *nodeFlags) into(o *options) (err error) {
	if o.urls, err = f.urls(); err != nil {
		return err
	}
	if f.timeout < leastTimeout || f.timeout > mostTimeout {
		return usagef("--timeout is %s: use a duration from 1s to 10m, as 10s", f.timeout)
	}
	o.timeout = f.timeout
	o.header, err = parseHeader(f.rpcHeader)
	return err
}

// urls gives the nodes of --rpc and --rpc-file, or the usual one. No error
// repeats a URL: it may hold a key.
func (f *nodeFlags) urls() ([]string, error) {
	var urls []string
	for _, url := range f.rpc {
		urls = append(urls, unquote(strings.TrimSpace(url)))
	}
	if f.rpcFile != "" {
		more, err := readLines(f.rpcFile)
		if err != nil {
			return nil, usagef("--rpc-file: %w", err)
		}
		if len(more) == 0 {
			return nil, usagef("--rpc-file: there is no URL in %s", f.rpcFile)
		}
		urls = append(urls, more...)
	}
	if len(urls) == 0 {
		urls = []string{defaultNode}
	}
	return urls, nil
}

// isUsual reports whether no node was named.
func (f *nodeFlags) isUsual() bool { return len(f.rpc) == 0 && f.rpcFile == "" }

// byteOrderMark is what editors of Windows begin a text with.
const byteOrderMark = "\ufeff"

// readLines gives the lines of a file that are not empty or comments.
func readLines(path string) (lines []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s := bufio.NewScanner(file)
	for s.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(s.Text(), byteOrderMark))
		switch {
		case !utf8.ValidString(line):
			return nil, fmt.Errorf("%s is not UTF-8: save it as such", path)
		case line != "" && !strings.HasPrefix(line, "#"):
			lines = append(lines, unquote(line))
		}
	}
	return lines, s.Err()
}

// parseHeader reads 'Name: value' lines. No error repeats a value.
func parseHeader(lines []string) (http.Header, error) {
	header := make(http.Header)
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") || strings.ContainsAny(value, "\r\n\x00") {
			return nil, usagef("--rpc-header: number %d is not of the form 'Name: value'", i+1)
		}
		header.Add(name, value)
	}
	return header, nil
}

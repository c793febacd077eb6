package pages

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Signatures are the functions and events that are known by name. Several may
// have one selector; the first that fits the data is taken, those of the user
// before those of standards.
type Signatures struct {
	methods map[[4]byte][]*declaration
	events  map[common.Hash][]*declaration
}

//go:embed standards.txt
var standards string

// NewSignatures knows the functions and events of the common standards.
func NewSignatures() *Signatures {
	s := noSignatures()
	for line := range strings.Lines(standards) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.addLine(line); err != nil {
			panic(fmt.Sprintf("standards.txt: %s: %s", line, err)) // it is built in
		}
	}
	return s
}

func noSignatures() *Signatures {
	return &Signatures{methods: make(map[[4]byte][]*declaration), events: make(map[common.Hash][]*declaration)}
}

// Found is what ReadABIs has found.
type Found struct {
	Contracts int
	Skipped   []error // functions, events and files that can't be read, and why
}

// ReadABIs adds the contracts whose ABIs are in a folder and those below it: any
// *.json that is an ABI or has one as its "abi", as in Foundry's out and in
// Hardhat's artifacts. That there is no contract is an error.
func (s *Signatures) ReadABIs(dir string) (found Found, err error) {
	user := noSignatures()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		content, err := readABI(path)
		if content != nil {
			found.Contracts++
		}
		errs := user.addABI(content)
		if err != nil {
			errs = append(errs, err)
		}
		for _, err := range errs {
			found.Skipped = append(found.Skipped, fmt.Errorf("%s: %w", path, err))
		}
		return nil
	})
	if err == nil && found.Contracts == 0 {
		err = errors.Join(append([]error{errors.New("there is no contract's ABI in it")}, found.Skipped...)...)
	}
	if err != nil {
		return Found{}, fmt.Errorf("read ABIs of %s: %w", dir, err)
	}
	user.append(s)
	*s = *user
	return found, nil
}

// mostABI is how long a file with an ABI may be, in bytes. What is longer is the
// input and the output of a compiler as a whole.
const mostABI = 16 << 20

// readABI reads the entries of a JSON file that is an ABI or has one; nil if
// it is another, such as build information.
func readABI(path string) ([]json.RawMessage, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > mostABI {
		return nil, fmt.Errorf("is longer than %s", byteCount(mostABI))
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var artifact struct {
		ABI []json.RawMessage `json:"abi"`
	}
	if json.Unmarshal(content, &artifact) == nil {
		return artifact.ABI, nil
	}
	var entries []json.RawMessage
	_ = json.Unmarshal(content, &entries) // else it is none
	return entries, nil
}

// addABI adds the functions and events of an ABI, and tells which it can't.
func (s *Signatures) addABI(entries []json.RawMessage) (skipped []error) {
	for _, raw := range entries {
		switch d, event, err := parseEntry(raw); {
		case err != nil:
			skipped = append(skipped, err)
		case d == nil:
		case event:
			s.addEvent(d)
		default:
			s.addMethod(d)
		}
	}
	return skipped
}

func (s *Signatures) addMethod(d *declaration) {
	selector := d.selector()
	for _, known := range s.methods[selector] {
		if known.signature() == d.signature() {
			return
		}
	}
	s.methods[selector] = append(s.methods[selector], d)
}

// addEvent adds an event. There may be others of the same signature with other
// parameters in topics.
func (s *Signatures) addEvent(d *declaration) {
	topic := d.topic()
	for _, known := range s.events[topic] {
		if sameTopics(known, d) {
			return
		}
	}
	s.events[topic] = append(s.events[topic], d)
}

func sameTopics(a, b *declaration) bool {
	for i := range a.inputs {
		if i >= len(b.inputs) || a.inputs[i].indexed != b.inputs[i].indexed {
			return false
		}
	}
	return true
}

// append adds what others know, after what is known.
func (s *Signatures) append(others *Signatures) {
	for selector, methods := range others.methods {
		s.methods[selector] = append(s.methods[selector], methods...)
	}
	for topic, events := range others.events {
		s.events[topic] = append(s.events[topic], events...)
	}
}

// addLine adds a function or an event as Solidity declares it, without tuples:
// "event Transfer(address indexed from, address indexed to, uint256 value)".
func (s *Signatures) addLine(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	name, list, ok := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	if !ok {
		return errors.New("has no parameters")
	}
	var inputs []abiInput
	for part := range strings.SplitSeq(list, ",") {
		if words := strings.Fields(part); len(words) > 0 {
			inputs = append(inputs, abiInput{Type: words[0], Name: words[len(words)-1], Indexed: len(words) == 3})
		}
	}
	d := &declaration{name: name}
	var err error
	if d.inputs, _, err = parseParameters(inputs, 0); err != nil {
		return err
	}
	switch kind {
	case "function":
		s.addMethod(d)
	case "event":
		s.addEvent(d)
	default:
		return errors.New("is neither a function nor an event")
	}
	return nil
}

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

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
)

// Signatures are the functions and events that are known by name. Several may
// have one selector; the first that fits the data is taken, those of the user
// before those of standards.
type Signatures struct {
	methods map[[4]byte][]abi.Method
	events  map[common.Hash][]abi.Event
}

//go:embed standards.txt
var standards string

// NewSignatures knows the functions and events of the common standards.
func NewSignatures() *Signatures {
	s := &Signatures{methods: make(map[[4]byte][]abi.Method), events: make(map[common.Hash][]abi.Event)}
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

// ReadABIs adds the contracts whose ABIs are in a folder and those below it: any
// *.json that is an ABI or has one as its "abi", as in Foundry's out and in
// Hardhat's artifacts. It returns how many contracts it has found; none is an
// error.
func (s *Signatures) ReadABIs(dir string) (contracts int, err error) {
	user := &Signatures{methods: make(map[[4]byte][]abi.Method), events: make(map[common.Hash][]abi.Event)}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if parsed, ok := parseABI(content); ok {
			contracts++
			user.add(parsed)
		}
		return nil
	})
	if err == nil && contracts == 0 {
		err = errors.New("there is no contract's ABI in it")
	}
	if err != nil {
		return 0, fmt.Errorf("read ABIs of %s: %w", dir, err)
	}
	for selector, methods := range s.methods {
		user.methods[selector] = append(user.methods[selector], methods...)
	}
	for topic, events := range s.events {
		user.events[topic] = append(user.events[topic], events...)
	}
	*s = *user
	return contracts, nil
}

// parseABI reads a JSON file that is an ABI or has one. Others, such as build
// information, are none.
func parseABI(content []byte) (*abi.ABI, bool) {
	var artifact struct {
		ABI json.RawMessage `json:"abi"`
	}
	if json.Unmarshal(content, &artifact) == nil {
		content = artifact.ABI
	}
	if len(content) == 0 || content[0] != '[' {
		return nil, false
	}
	parsed, err := abi.JSON(strings.NewReader(string(content)))
	if err != nil || len(parsed.Methods)+len(parsed.Events) == 0 {
		return nil, false
	}
	return &parsed, true
}

func (s *Signatures) add(parsed *abi.ABI) {
	for _, m := range parsed.Methods {
		s.addMethod(m)
	}
	for _, e := range parsed.Events {
		if !e.Anonymous {
			s.addEvent(e)
		}
	}
}

func (s *Signatures) addMethod(m abi.Method) {
	selector := [4]byte(m.ID)
	for _, known := range s.methods[selector] {
		if known.Sig == m.Sig {
			return
		}
	}
	s.methods[selector] = append(s.methods[selector], m)
}

func (s *Signatures) addEvent(e abi.Event) {
	for _, known := range s.events[e.ID] {
		if known.String() == e.String() {
			return
		}
	}
	s.events[e.ID] = append(s.events[e.ID], e)
}

// addLine adds a function or an event as Solidity declares it, without tuples:
// "event Transfer(address indexed from, address indexed to, uint256 value)".
func (s *Signatures) addLine(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	name, list, ok := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	if !ok {
		return errors.New("has no parameters")
	}
	var args abi.Arguments
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		words := strings.Fields(part)
		t, err := abi.NewType(words[0], "", nil)
		if err != nil {
			return err
		}
		args = append(args, abi.Argument{Name: words[len(words)-1], Type: t, Indexed: len(words) == 3})
	}
	switch kind {
	case "function":
		s.addMethod(abi.NewMethod(name, name, abi.Function, "", false, false, args, nil))
	case "event":
		s.addEvent(abi.NewEvent(name, name, false, args))
	default:
		return errors.New("is neither a function nor an event")
	}
	return nil
}

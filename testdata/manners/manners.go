// Package manners has the odd questions to which clients answer each in its own
// way, and in NAME.golden what real ones have answered. A file that was recorded
// from one is to be answered from in the same manner.
package manners

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Call makes a call whose parameters are JSON. A code that is not 0 is that of
// an error.
type Call func(method, params string) (result json.RawMessage, code int, message string)

// Ask asks all questions about a chain, of which the last three blocks have a log
// or more each, and gives the answers as text: of blocks and logs where they are
// below the head, of the rest what clients differ in.
func Ask(head uint64, call Call) []string {
	var answers []string
	var id string
	for _, q := range questions {
		result, code, message := call(q.method, place(q.params, head, id))
		if code != 0 {
			answers = append(answers, fmt.Sprintf("error %d %s", code, relative(message, head)))
			continue
		}
		id = string(result) // for the next question
		answers = append(answers, q.tell(result, head))
	}
	return answers
}

// Table is what a golden file has: each question with the answer of the node, and
// that of a replay where it is another.
func Table(node, replay []string) []byte {
	var out bytes.Buffer
	for i, q := range questions {
		fmt.Fprintf(&out, "%s %s\n\t%s\n", q.method, q.params, node[i])
		if replay[i] != node[i] {
			fmt.Fprintf(&out, "\treplay: %s\n", replay[i])
		}
	}
	return out.Bytes()
}

// Read gives the answers that a golden file has.
func Read(golden []byte) (node, replay []string) {
	for line := range strings.Lines(string(golden)) {
		answer, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		if other, differs := strings.CutPrefix(answer, "replay: "); differs {
			replay[len(replay)-1] = other
			continue
		}
		node, replay = append(node, answer), append(replay, answer)
	}
	return node, replay
}

// MayDiffer reports whether a replay may answer what the node does not: where the
// answer needs the state, and where the node has no such method.
func MayDiffer(node, replay string) bool {
	return strings.HasPrefix(replay, "error -32004 ") || noMethod.MatchString(node)
}

var noMethod = regexp.MustCompile(`^error -\d+ (Method not found|Method \w+ is not supported|[Tt]he method \w+ does not exist/is not available)$`)

// place puts numbers in the place of {head}, {head-2} and the like, and the last
// answer in that of {last}.
func place(params string, head uint64, last string) string {
	params = strings.ReplaceAll(params, "{last}", last)
	return placeholder.ReplaceAllStringFunc(params, func(text string) string {
		off, _ := strconv.ParseInt(placeholder.FindStringSubmatch(text)[1], 10, 64) // 0 for none
		return fmt.Sprintf("%#x", int64(head)+off)
	})
}

var placeholder = regexp.MustCompile(`{head([+-]\d+)?}`)

// relative puts {head+1} and the like in the place of decimal numbers near it.
func relative(message string, head uint64) string {
	return decimal.ReplaceAllStringFunc(message, func(text string) string {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return text
		}
		return at(n, head)
	})
}

var decimal = regexp.MustCompile(`\b\d+\b`)

// at is a number as questions have it, if it is near the head.
func at(number int64, head uint64) string {
	const near = 6
	switch off := number - int64(head); {
	case off == 0:
		return "{head}"
	case off < -near || off > near:
		return strconv.FormatInt(number, 10)
	default:
		return fmt.Sprintf("{head%+d}", off)
	}
}

// tell makes text of a result.
func (q question) tell(result json.RawMessage, head uint64) string {
	var fees struct {
		OldestBlock   *quantity
		BaseFeePerGas []string
		GasUsedRatio  []float64
	}
	var several []struct{ BlockNumber quantity }
	var one struct{ Number, BlockNumber *quantity }
	switch {
	case strings.HasPrefix(q.method, "eth_new"):
		return "a filter"
	case json.Unmarshal(result, &fees) == nil && fees.OldestBlock != nil:
		return fmt.Sprintf("%d blocks and %d base fees from %s on: %s", len(fees.GasUsedRatio), len(fees.BaseFeePerGas), at(int64(*fees.OldestBlock), head), keys(result))
	case json.Unmarshal(result, &several) == nil && len(several) > 0:
		var blocks []string
		for _, l := range several {
			blocks = append(blocks, at(int64(l.BlockNumber), head))
		}
		return "of " + strings.Join(slices.Compact(blocks), " ")
	case bytes.Contains(result, []byte(`"parentHash"`)) && json.Unmarshal(result, &one) == nil:
		if one.Number == nil {
			return "a block without number"
		}
		return "block " + at(int64(*one.Number), head)
	case json.Unmarshal(result, &one) == nil && one.BlockNumber != nil:
		return "a transaction of " + at(int64(*one.BlockNumber), head)
	}
	var out bytes.Buffer
	if json.Compact(&out, result) != nil {
		return string(result)
	}
	return out.String()
}

// keys are those of an object.
func keys(object json.RawMessage) string {
	var values map[string]any
	if err := json.Unmarshal(object, &values); err != nil {
		return err.Error()
	}
	return strings.Join(slices.Sorted(maps.Keys(values)), " ")
}

// A quantity is a number as JSON-RPC has it.
type quantity uint64

// UnmarshalJSON reads "0x1".
func (n *quantity) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(text), `"`), 0, 64)
	*n = quantity(v)
	return err
}

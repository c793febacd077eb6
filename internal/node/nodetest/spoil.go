package nodetest

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// textual are the kinds that edit a result's text at a place that which picks.
// A result that has no such place stays as it is.
var textual = map[Kind]func(raw json.RawMessage, which int) json.RawMessage{
	FlippedDigit:   flipDigit,
	MissingField:   dropField,
	DuplicateField: doubleField,
	WrongType:      retypeField,
	WrongReceipts:  changeOutcome,
	UnknownKeys:    lieBesideKeys,
}

var (
	// member is a key and its value in hex.
	member = regexp.MustCompile(`"(\w+)":"0x([0-9a-f]+)"`)
	// outcome is what only the receipts root commits to.
	outcome = regexp.MustCompile(`"(?:status|root)":"0x[0-9a-f]+"`)
	// needed are fields that every node gives and nothing else tells.
	needed = regexp.MustCompile(`"(?:parentHash|stateRoot|receiptsRoot|transactionsRoot|sha3Uncles|cumulativeGasUsed)":"0x[0-9a-f]+",`)
)

// unprovable are fields whose value nothing else in a block tells, so that
// nobody can see that they were changed.
var unprovable = map[string]bool{"size": true, "totalDifficulty": true, "blobGasPrice": true}

// flipDigit changes a digit of a value in hex. The number of digits stays, and a
// quantity stays without leading zeros.
func flipDigit(raw json.RawMessage, which int) json.RawMessage {
	const digits = "0123456789abcdef"
	var places [][]int
	for _, m := range member.FindAllSubmatchIndex(raw, -1) {
		if !unprovable[string(raw[m[2]:m[3]])] {
			places = append(places, m)
		}
	}
	if len(places) == 0 {
		return raw
	}
	spread := uint(which) * 2654435761 // neighbours of which are not neighbours in the text
	at := places[spread%uint(len(places))]
	digit := at[5] - 1 - int(spread>>8)%(at[5]-at[4])
	flipped := bytes.Clone(raw)
	old := bytes.IndexByte([]byte(digits), flipped[digit])
	flipped[digit] = digits[old^1<<(spread>>4%4)]
	if digit == at[4] && flipped[digit] == '0' {
		flipped[digit] = digits[15-old]
	}
	return flipped
}

// lieBesideKeys flips a digit, and adds a key to each object.
func lieBesideKeys(raw json.RawMessage, which int) json.RawMessage {
	flipped := flipDigit(raw, which)
	if bytes.Equal(flipped, raw) {
		return raw
	}
	return bytes.ReplaceAll(flipped, []byte(`{"`), []byte(`{"unknown":"0x1","`))
}

func dropField(raw json.RawMessage, which int) json.RawMessage {
	at := pick(needed, raw, which)
	if at == nil {
		return raw
	}
	return append(bytes.Clone(raw[:at[0]]), raw[at[1]:]...)
}

func doubleField(raw json.RawMessage, which int) json.RawMessage {
	at := pick(needed, raw, which)
	if at == nil {
		return raw
	}
	again := flipDigit(bytes.Clone(raw[at[0]:at[1]]), which)
	return append(append(bytes.Clone(raw[:at[1]]), again...), raw[at[1]:]...)
}

func pick(what *regexp.Regexp, raw []byte, which int) []int {
	places := what.FindAllIndex(raw, -1)
	if len(places) == 0 {
		return nil
	}
	return places[uint(which)%uint(len(places))]
}

func retypeField(raw json.RawMessage, which int) json.RawMessage {
	at := pick(needed, raw, which)
	if at == nil {
		return raw
	}
	key, _, _ := bytes.Cut(raw[at[0]:at[1]], []byte(":"))
	field := append(bytes.Clone(key), ":{},"...)
	return append(append(bytes.Clone(raw[:at[0]]), field...), raw[at[1]:]...)
}

// changeOutcome makes of a transaction that succeeded one that failed, or the
// other way round.
func changeOutcome(raw json.RawMessage, which int) json.RawMessage {
	at := pick(outcome, raw, which)
	if at == nil {
		return raw
	}
	changed := bytes.Clone(raw)
	last := &changed[at[1]-2]
	*last = map[bool]byte{true: '0', false: '1'}[*last == '1']
	return changed
}

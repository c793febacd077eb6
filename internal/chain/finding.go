package chain

import (
	"fmt"
	"slices"
	"strings"
)

// A Finding is why a check of a block does not pass.
type Finding struct {
	Check Check
	// About says of which of all that is checked it is: a transaction type, a
	// key, or what an object lacks. Empty for all. Findings of one check and one
	// About are alike.
	About string
	Why   string // in words
	// UnknownType: transactions of this type can't be encoded by this program.
	UnknownType bool
	// Spoiled: a value that has to be there can't be read. No chain is like that.
	Spoiled bool
}

// Excusable reports whether a chain may be like that: no client gives what is
// spoiled, and of one whose rules are known only a transaction type may be unknown.
func (f Finding) Excusable(knownClient bool) bool {
	return !f.Spoiled && (!knownClient || f.UnknownType)
}

// ChecksOf gives the checks that do not pass.
func ChecksOf(found []Finding) (failed Check) {
	for _, f := range found {
		failed |= f.Check
	}
	return failed
}

// Concerns reports whether a block has something to compute for what was found,
// which genesis never has.
func (f Finding) Concerns(b *Block) bool { return b.Number > 0 && alike{f.Check, f.About}.concerns(b) }

// In reports whether there is a finding alike.
func (f Finding) In(found []Finding) bool {
	return slices.ContainsFunc(found, alike{f.Check, f.About}.isOf)
}

// Findings makes the given checks and gives what does not pass, in the order
// of the checks: one for each About.
func Findings(b *Block, checks Check) []Finding {
	v := verifiers.Get().(*verifier)
	defer v.free()
	v.examine(b, checks)
	return slices.Clone(v.found)
}

// Findings gives what does not pass of a header alone, as it would be of its
// block.
func (h *Header) Findings() []Finding {
	v := verifiers.Get().(*verifier)
	defer v.free()
	v.found = v.found[:0]
	v.header(h)
	return slices.Clone(v.found)
}

// find keeps a finding, unless there is one like it that says as much.
func (v *verifier) find(f Finding) {
	for i := range v.found {
		if old := &v.found[i]; old.Check == f.Check && old.About == f.About {
			if f.Spoiled && !old.Spoiled {
				*old = f
			}
			return
		}
	}
	v.found = append(v.found, f)
}

// A lack is what objects lack of what is required.
type lack struct {
	absent  uint64 // a bit for each field, as in [Object.Shape]
	spoiled bool
}

func (l *lack) add(o *Object) {
	l.absent |= o.Shape
	l.spoiled = l.spoiled || o.spoiled != ""
}

// findLacking keeps a finding about an object, or several of one kind.
func findLacking[T any](v *verifier, t *table[T], l lack, f Finding) {
	if lacking := t.lacking(l.absent); lacking != "" && f.About != "" {
		f.About += ", " + lacking
	} else if lacking != "" {
		f.About = lacking
	}
	f.Spoiled = l.spoiled
	v.find(f)
}

// findRoot is the same of what the header commits to, by the field at a place of
// its table.
func findRoot[T any](v *verifier, place int, t *table[T], l lack, f Finding) {
	if lacking := blockFields.lacking(v.b.Shape & (1 << place)); lacking != "" {
		f.About = strings.TrimPrefix(f.About+", "+lacking, ", ")
	}
	l.spoiled = l.spoiled || v.b.spoiled != ""
	findLacking(v, t, l, f)
}

func lackOf(o *Object) (l lack) {
	l.add(o)
	return l
}

// named says which transactions a finding is about, typeIn reads that.
func named(txType uint64) string { return fmt.Sprintf("type %#x", txType) }

func typeIn(about string) (txType uint64, ok bool) {
	_, err := fmt.Sscanf(about, "type 0x%x", &txType)
	return txType, err == nil
}

// subject says what an exemption or a finding is about, for people.
func subject(c Check, about string) string {
	if about == "" {
		return c.String()
	}
	return c.String() + " (" + about + ")"
}

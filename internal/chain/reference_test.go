package chain

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// This file has the decoder that this package had before it read JSON by
// itself: by encoding/json, value by value. The tables of fields are the same,
// how values are read is not. It is many times slower, and the measure of what
// is right.

// A reading is how the reference reads some keys of an object.
type reading[T any] map[string]func(*T, json.RawMessage) (exact bool, err error)

func referenceBlock(raw json.RawMessage) (*Block, error) {
	if isNull(raw) {
		return nil, &Error{Class: NotYet, Err: errors.New("block is null")}
	}
	b := new(Block)
	err := referenceObject(raw, blockFields, b, &b.Object, reading[Block]{
		"transactions": referenceTransactions, "uncles": referenceUncles, "withdrawals": referenceWithdrawals,
	})
	if err != nil {
		return nil, invalid(err)
	}
	return b, b.Header.usable()
}

func referenceReceipts(b *Block, raw json.RawMessage) error {
	if isNull(raw) {
		return &Error{Class: NotYet, Err: errors.New("receipts are null")}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return invalid(err)
	}
	if len(items) != len(b.Transactions) {
		return invalid(errors.New("another count"))
	}
	logs := 0
	for i, item := range items {
		tx := &b.Transactions[i]
		if isNull(item) {
			return &Error{Class: NotYet, Err: errors.New("receipt is null")}
		}
		tx.Receipt = Receipt{}
		v := &transactionView{block: b, tx: tx, index: i, logs: logs}
		if err := referenceObject(item, receiptFields, v, &tx.Receipt.Object, reading[transactionView]{"logs": referenceLogs}); err != nil {
			return invalid(err)
		}
		if err := b.checkReceipt(tx, i); err != nil {
			return err
		}
		logs += len(tx.Receipt.Logs)
	}
	return nil
}

func referenceTransactions(b *Block, raw json.RawMessage) (bool, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return false, invalid(err)
	}
	b.Transactions = make([]Transaction, len(items))
	for i, item := range items {
		tx := &b.Transactions[i]
		v := &transactionView{block: b, tx: tx, index: i}
		if err := referenceObject(item, transactionFields, v, &tx.Object, transactionLists); err != nil {
			return false, invalid(err)
		}
		if tx.Hash == (common.Hash{}) {
			return false, invalid(errors.New("no hash"))
		}
	}
	return !isNull(raw), nil
}

var transactionLists = reading[transactionView]{
	"accessList": func(v *transactionView, raw json.RawMessage) (bool, error) {
		return referenceList(raw, accessTupleFields, &v.tx.AccessList, reading[AccessTuple]{
			"storageKeys": func(t *AccessTuple, raw json.RawMessage) (bool, error) { return referenceHashes(raw, &t.StorageKeys) },
		})
	},
	"authorizationList": func(v *transactionView, raw json.RawMessage) (bool, error) {
		return referenceList(raw, authorizationFields, &v.tx.AuthorizationList, nil)
	},
	"blobVersionedHashes": func(v *transactionView, raw json.RawMessage) (bool, error) {
		return referenceHashes(raw, &v.tx.BlobVersionedHashes)
	},
}

func referenceUncles(b *Block, raw json.RawMessage) (bool, error) {
	exact, err := referenceHashes(raw, &b.UncleHashes)
	if err != nil {
		return false, invalid(err)
	}
	return exact, nil
}

func referenceWithdrawals(b *Block, raw json.RawMessage) (bool, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return false, invalid(err)
	}
	b.Withdrawals = make([]Withdrawal, len(items))
	for i, item := range items {
		w := &b.Withdrawals[i]
		if err := referenceObject(item, withdrawalFields, w, &w.Object, nil); err != nil {
			return false, invalid(err)
		}
	}
	return true, nil
}

func referenceLogs(v *transactionView, raw json.RawMessage) (bool, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return false, invalid(errors.New("logs are no array"))
	}
	logs := make([]Log, len(items))
	for i, item := range items {
		view := &logView{transactionView: *v, log: &logs[i], logIndex: v.logs + i}
		err := referenceObject(item, logFields, view, &logs[i].Object, reading[logView]{
			"topics": func(v *logView, raw json.RawMessage) (bool, error) { return referenceHashes(raw, &v.log.Topics) },
		})
		if err != nil {
			return false, invalid(err)
		}
		if len(logs[i].Topics) > 4 {
			return false, invalid(errors.New("topics"))
		}
	}
	v.tx.Receipt.Logs = logs
	return true, nil
}

func referenceHashes(raw json.RawMessage, into *[]common.Hash) (bool, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return false, err
	}
	hashes := make([]common.Hash, len(items))
	for i, item := range items {
		if err := referenceFixed(item, hashes[i][:]); err != nil {
			return false, err
		}
	}
	*into = hashes
	return !isNull(raw), nil
}

func referenceList[E any](raw json.RawMessage, t *table[E], into *[]E, other reading[E]) (exact bool, err error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return false, err
	}
	items, exact := make([]E, len(elements)), true
	var odd error
	for i, element := range elements {
		var o Object
		if err := referenceObject(element, t, &items[i], &o, other); err != nil {
			return false, err
		}
		exact = exact && o.Shape == 0 && o.Extra == nil
		odd = cmp.Or(odd, t.oddity(&o))
	}
	*into = items
	return exact, odd
}

func referenceObject[T any](raw json.RawMessage, t *table[T], v *T, o *Object, other reading[T]) error {
	keys, err := referenceKeys(raw)
	if err != nil {
		return err
	}
	*o = Object{}
	for i, f := range t.fields {
		value, present := keys[f.key]
		switch {
		case !present:
			if !f.omitted {
				o.Shape |= 1 << i
			}
		case string(value) == "null" && f.nillable:
			if f.omitted {
				o.Shape |= 1 << i
			}
		default:
			if f.omitted && !f.nillable && !f.kept {
				o.Shape |= 1 << i
			}
			exact, err := referenceValue(f, v, value, other)
			if err := o.note(f.key, err); err != nil {
				return err
			}
			if !exact || err != nil {
				continue
			}
		}
		delete(keys, f.key)
	}
	for key := range keys {
		if !slices.ContainsFunc(t.fields, func(f field[T]) bool { return f.key == key }) {
			o.unknown = true
		}
	}
	if len(keys) == 0 {
		return nil
	}
	extra, err := json.Marshal(keys)
	o.Extra = extra
	return err
}

// referenceKeys gives the values of an object by their keys, each of which comes
// once and is UTF-8.
func referenceKeys(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not JSON")
	}
	d, keys := json.NewDecoder(bytes.NewReader(raw)), map[string]json.RawMessage{}
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key := token.(string)
		if _, twice := keys[key]; twice || strings.ContainsRune(key, 0xfffd) {
			return nil, fmt.Errorf("key %q", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		keys[key] = value
	}
	return keys, nil
}

// referenceValue reads what is no list by the field's own function, from a text
// of its own: FuzzQuantities and FuzzData compare those.
func referenceValue[T any](f field[T], v *T, raw json.RawMessage, other reading[T]) (bool, error) {
	if read := other[f.key]; read != nil {
		return read(v, raw)
	}
	d := new(decoder)
	if err := d.text.Parse(raw); err != nil {
		return false, err
	}
	return f.decode(d, v, d.text.Root())
}

func referenceDigits(raw json.RawMessage) ([]byte, error) {
	var s string
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errNotHex
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	if len(s) < 2 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X') {
		return nil, errNotHex
	}
	return []byte(s[2:]), nil
}

func reference256(raw json.RawMessage) (v uint256.Int, hexForm bool, err error) {
	if len(raw) > 0 && raw[0] >= '0' && raw[0] <= '9' {
		return v, false, v.SetFromDecimal(string(raw))
	}
	digits, err := referenceDigits(raw)
	if err != nil {
		return v, false, err
	}
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) > 64 {
		return v, false, errTooLarge
	}
	b, err := hex.DecodeString(fmt.Sprintf("%064s", digits))
	return *v.SetBytes(b), true, err
}

func reference64(raw json.RawMessage) (v uint64, inColumn bool, err error) {
	q, hexForm, err := reference256(raw)
	if err == nil && !q.IsUint64() {
		err = errTooLarge
	}
	return q.Uint64(), hexForm && q.Uint64() <= math.MaxInt64, err
}

func referenceBytes(raw json.RawMessage) ([]byte, error) {
	digits, err := referenceDigits(raw)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(string(digits))
}

func referenceFixed(raw json.RawMessage, into []byte) error {
	b, err := referenceBytes(raw)
	if err == nil && len(b) != len(into) {
		err = errBadLength
	}
	if err == nil {
		copy(into, b)
	}
	return err
}

// CompareWithReference decodes twice, and tells of a difference.
func CompareWithReference(t *testing.T, block, receipts []byte) {
	t.Helper()
	block, receipts = bytes.Trim(block, " \t\r\n"), bytes.Trim(receipts, " \t\r\n")
	got, err := DecodeBlock(block)
	want, wantErr := referenceBlock(block)
	if !sameError(err, wantErr) {
		t.Fatalf("block: %v, by encoding/json %v: %.999s", err, wantErr, block)
	}
	if err != nil {
		return
	}
	err, wantErr = got.DecodeReceipts(receipts), referenceReceipts(want, receipts)
	if !sameError(err, wantErr) {
		t.Fatalf("receipts: %v, by encoding/json %v: %.999s", err, wantErr, receipts)
	}
	if err == nil && !reflect.DeepEqual(want, got) {
		t.Errorf("decoded: %+v\nby encoding/json: %+v\n%.999s\n%.999s", got, want, block, receipts)
	}
}

func sameError(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || ClassOf(a) == ClassOf(b))
}

// CompareValue reads a value in all ways that there are.
func CompareValue(t *testing.T, raw []byte) {
	t.Helper()
	d := new(decoder)
	if d.text.Parse(raw) != nil {
		return
	}
	plain, raw := d.text.Plain(d.text.Root()), d.text.Raw(d.text.Root())
	v, exact, err := parse256(plain)
	want, wantExact, wantErr := reference256(raw)
	if (err == nil) != (wantErr == nil) || err == nil && (v != want || exact != wantExact) {
		t.Errorf("%s: 256 bits %v %v %v, want %v %v %v", raw, v, exact, err, want, wantExact, wantErr)
	}
	v64, exact, err := parse64(plain)
	want64, wantExact, wantErr := reference64(raw)
	if (err == nil) != (wantErr == nil) || err == nil && (v64 != want64 || exact != wantExact) {
		t.Errorf("%s: 64 bits %v %v %v, want %v %v %v", raw, v64, exact, err, want64, wantExact, wantErr)
	}
	b, err := d.parseBytes(plain)
	wantBytes, wantErr := referenceBytes(raw)
	if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(b, wantBytes) {
		t.Errorf("%s: %x %v, want %x %v", raw, b, err, wantBytes, wantErr)
	}
	for _, n := range []int{8, 20, 32, 256} {
		got, want := make([]byte, n), make([]byte, n)
		err, wantErr := parseFixed(plain, got), referenceFixed(raw, want)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes %x %v, want %x %v", raw, n, got, err, want, wantErr)
		}
	}
}

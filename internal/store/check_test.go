package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

// What is done to a file behind the program's back, and what the checker says.
// The file has blocks 0 to 11, of which 7 and 8 are missing, or blocks 901 to
// 911, of which 906 is; block 5 has an uncle, and block 910 withdrawals.
func TestCheckFindsFaults(t *testing.T) {
	t.Parallel()
	type fault struct {
		promise string
		number  uint64
	}
	early, late := madeFile(t, 0, 7, 8, 11), madeFile(t, 901, 906, 906, 911)
	for _, tt := range []struct {
		name string
		sql  []string
		want []fault // all of them, in this order
	}{
		{"nothing", nil, nil},
		{"nothing that counts", []string{`UPDATE failed_blocks SET error_message = 'else'`, `UPDATE blocks SET indexed_at = 1`}, nil},

		{"a transaction is gone", []string{`DELETE FROM transactions WHERE block_number = 4 AND transaction_index = 2`}, []fault{{store.Whole, 4}}},
		{"the last transaction is gone", []string{`DELETE FROM transactions WHERE block_number = 2 AND transaction_index = 2`}, []fault{{store.Whole, 2}}},
		{"all transactions are gone", []string{`DELETE FROM transactions WHERE block_number = 2`}, []fault{{store.Whole, 2}}},
		{"a log is gone", []string{`DELETE FROM logs WHERE block_number = 5 AND log_index = 3`}, []fault{{store.Whole, 5}}},
		{"a transfer is gone", []string{`DELETE FROM transfers WHERE block_number = 4 AND log_index = (SELECT MIN(log_index) FROM transfers WHERE block_number = 4)`}, []fault{{store.Whole, 4}}},
		{"an uncle is gone", []string{`DELETE FROM uncles`}, []fault{{store.Whole, 5}}},
		{"a withdrawal is gone", []string{`DELETE FROM withdrawals WHERE block_number = 910 AND position = 0`}, []fault{{store.Whole, 910}}},
		{"a missing block is forgotten", []string{`DELETE FROM failed_blocks WHERE block_number = 7`}, []fault{{store.Coverage, 7}}},
		{"a block is gone", []string{`DELETE FROM blocks WHERE number = 2`}, []fault{{store.Whole, 2}, {store.Coverage, 2}}},
		{"a block is gone with all that is in it", []string{`DELETE FROM blocks WHERE number = 2`, `DELETE FROM transactions WHERE block_number = 2`}, []fault{{store.Coverage, 2}}},
		{"the first block is gone", []string{`DELETE FROM blocks WHERE number = 0`}, []fault{{store.Coverage, 0}}},
		{"the head is gone", []string{`DELETE FROM blocks WHERE number = 11`}, []fault{{store.Coverage, 11}, {store.Whole, 11}, {store.Whole, 11}, {store.Whole, 11}}},
		{"the head is gone with all that is in it", []string{`DELETE FROM blocks WHERE number = 11`, `DELETE FROM transactions WHERE block_number = 11`, `DELETE FROM logs WHERE block_number = 11`, `DELETE FROM transfers WHERE block_number = 11`}, []fault{{store.Coverage, 11}}},
		{"all blocks are gone", []string{`DELETE FROM blocks WHERE number > 8`}, []fault{{store.Coverage, 9}, {store.Whole, 9}, {store.Whole, 10}, {store.Whole, 11}, {store.Whole, 9}, {store.Whole, 10}, {store.Whole, 11}, {store.Whole, 10}, {store.Whole, 11}}},

		{"both stored and missing", []string{`INSERT INTO failed_blocks VALUES (3, 'invalid', '', 1, 1, 1, 1, NULL, NULL)`}, []fault{{store.Coverage, 3}}},
		{"missing above the head", []string{`INSERT INTO failed_blocks VALUES (12, 'invalid', '', 1, 1, 1, 1, NULL, NULL)`}, []fault{{store.Coverage, 12}}},
		{"missing below the start block", []string{`INSERT INTO failed_blocks VALUES (900, 'invalid', '', 1, 1, 1, 1, NULL, NULL)`}, []fault{{store.Coverage, 900}}},
		{"another start block", []string{`UPDATE chain SET start_block = 905`}, []fault{{store.Coverage, 901}}},
		{"an earlier start block", []string{`UPDATE chain SET start_block = 899`}, []fault{{store.Coverage, 899}, {store.Coverage, 900}}},
		{"another genesis", []string{`UPDATE chain SET genesis_hash = zeroblob(32)`}, []fault{{store.Linked, 0}}},

		{"an orphaned transaction", []string{copyRow("transactions", "id = (7 << 24) | 1, block_number = 7, transaction_index = 1")}, []fault{{store.Whole, 7}}},
		{"an orphaned log", []string{copyRow("logs", "id = (8 << 24) | 9, block_number = 8, log_index = 9")}, []fault{{store.Whole, 8}}},
		{"an orphaned transfer", []string{`INSERT INTO transfers SELECT 7, 0, 3, 0, standard, token, from_address, to_address, token_id, amount FROM transfers LIMIT 1`}, []fault{{store.Whole, 7}}},
		{"an orphaned withdrawal", []string{copyRow("withdrawals", "block_number = 906")}, []fault{{store.Whole, 906}}},
		{"an orphaned uncle", []string{copyRow("uncles", "block_number = 7")}, []fault{{store.Whole, 7}}},
		{"an orphan far above", []string{copyRow("logs", "id = 9223372036854775807, block_number = 549755813887, log_index = 16777215")}, []fault{{store.Whole, 1<<39 - 1}}},
		{"an orphan above all ids", []string{copyRow("uncles", "block_number = 9223372036854775807")}, []fault{{store.Whole, 1<<63 - 1}}},
		{"an orphan below the start block", []string{copyRow("logs", "id = 5, block_number = 0, log_index = 5")}, []fault{{store.Whole, 0}}},
		{"an orphan below all numbers", []string{copyRow("uncles", "block_number = -9223372036854775807")}, []fault{{store.Whole, 0}}},
		{"a transaction too many", []string{copyRow("transactions", "id = (2 << 24) | 3, block_number = 2, transaction_index = 3")}, []fault{{store.Whole, 2}}},
		{"a log too many", []string{copyRow("logs", "id = 2 << 24, block_number = 2, log_index = 0")}, []fault{{store.Whole, 2}}},
		{"a transfer too many", []string{`INSERT INTO transfers SELECT block_number, log_index, 9, transaction_index, standard, token, from_address, to_address, token_id, amount FROM transfers WHERE block_number = 4 LIMIT 1`}, []fault{{store.Whole, 4}}},
		{"a transaction at another index", []string{`UPDATE transactions SET id = id + 5, transaction_index = transaction_index + 5 WHERE id = (4 << 24) | 4`}, []fault{{store.Whole, 4}}},
		{"a log at another index", []string{`UPDATE logs SET id = id + 5, log_index = log_index + 5 WHERE id = (5 << 24) | 9`}, []fault{{store.Whole, 5}}},
		{"a log that says another index than its id", []string{unchecked, `UPDATE logs SET log_index = 8 WHERE id = (5 << 24) | 9`}, []fault{{store.Whole, 5}}},
		{"a transaction that says another block than its id", []string{unchecked, `UPDATE transactions SET block_number = 5 WHERE id = (4 << 24) | 4`}, []fault{{store.Whole, 4}}},
		{"a transfer of another transaction", []string{`UPDATE transfers SET transaction_index = transaction_index + 1 WHERE block_number = 4`}, []fault{{store.Whole, 4}}},
		{"a withdrawal at another position", []string{`UPDATE withdrawals SET position = position + 5 WHERE block_number = 910 AND position = 1`}, []fault{{store.Whole, 910}}},
		{"a log of another transaction", []string{`UPDATE logs SET transaction_index = 0 WHERE id = (5 << 24) | 9`}, []fault{{store.Whole, 5}}},
		{"a log of no transaction", []string{`UPDATE logs SET transaction_index = 99 WHERE id = (5 << 24) | 9`}, []fault{{store.Whole, 5}}},

		{"another hash", []string{change("blocks", "hash", "number = 3")}, []fault{{store.Verified, 3}, {store.Linked, 4}}},
		{"another parent hash", []string{change("blocks", "parent_hash", "number = 3")}, []fault{{store.Linked, 3}, {store.Verified, 3}}},
		{"another parent hash above the gap", []string{change("blocks", "parent_hash", "number = 9")}, []fault{{store.Verified, 9}}},
		{"another state root", []string{change("blocks", "state_root", "number = 3")}, []fault{{store.Verified, 3}}},
		{"another bloom", []string{change("blocks", "logs_bloom", "number = 3")}, []fault{{store.Verified, 3}}},
		{"another timestamp", []string{`UPDATE blocks SET timestamp = timestamp + 1 WHERE number = 904`}, []fault{{store.Verified, 904}}},
		{"another transaction hash", []string{change("transactions", "hash", "id = 4 << 24")}, []fault{{store.Verified, 4}}},
		{"another sender", []string{change("transactions", "from_address", "id = 4 << 24")}, []fault{{store.Verified, 4}}},
		{"another input", []string{change("transactions", "input", "id = (SELECT MIN(id) FROM transactions WHERE block_number = 4 AND length(input) > 0)")}, []fault{{store.Verified, 4}}},
		{"another value", []string{`UPDATE transactions SET value = value || '0' WHERE id = (SELECT MIN(id) FROM transactions WHERE value <> '0')`}, []fault{{store.Verified, 2}}},
		{"another status", []string{`UPDATE transactions SET status = 1 - status WHERE id = 904 << 24`}, []fault{{store.Verified, 904}}},
		{"another gas used", []string{`UPDATE transactions SET gas_used = gas_used + 1 WHERE id = 904 << 24`}, []fault{{store.Verified, 904}}},
		{"another topic", []string{change("logs", "topic0", "id = 4 << 24")}, []fault{{store.Verified, 4}, {store.Whole, 4}}},
		{"a topic less", []string{`UPDATE logs SET topic3 = NULL, topic2 = NULL WHERE id = 4 << 24`}, []fault{{store.Verified, 4}, {store.Whole, 4}}},
		{"another contract logs", []string{change("logs", "address", "id = 3 << 24")}, []fault{{store.Verified, 3}}},
		{"another transfer", []string{`UPDATE transfers SET amount = amount || '0' WHERE block_number = 4`}, []fault{{store.Whole, 4}}},
		{"another recipient", []string{change("transfers", "to_address", "block_number = 4")}, []fault{{store.Whole, 4}}},
		{"another amount of a withdrawal", []string{`UPDATE withdrawals SET amount = amount + 1 WHERE block_number = 910 AND position = 0`}, []fault{{store.Verified, 910}}},
		{"another uncle", []string{change("uncles", "state_root", "true")}, []fault{{store.Verified, 5}}},
		{"another hash of an uncle", []string{change("uncles", "hash", "true")}, []fault{{store.Verified, 5}}},
		{"an unreadable quantity", []string{`UPDATE transactions SET value = 'x' WHERE id = 4 << 24`}, []fault{{store.Whole, 4}}},
		{"an unreadable extra", []string{`UPDATE blocks SET extra = 'x' WHERE number = 4`}, []fault{{store.Verified, 4}}},
		{"a wrong count", []string{`UPDATE blocks SET log_count = log_count + 1 WHERE number = 4`}, []fault{{store.Whole, 4}}},
		{"a wrong count of a transaction", []string{`UPDATE transactions SET log_count = log_count + 1 WHERE id = 4 << 24`}, []fault{{store.Whole, 4}}},
		{"withdrawals that are not counted", []string{`UPDATE blocks SET withdrawal_count = NULL WHERE number = 910`}, []fault{{store.Whole, 910}}},

		{"a verdict that knows of a failure", []string{`UPDATE blocks SET checks_passed = checks_passed & ~1, checks_failed = 1 WHERE number = 4`}, []fault{{store.Verified, 4}}},
		{"a verdict that says two things", []string{`UPDATE blocks SET checks_not_computable = 1 WHERE number = 4`}, []fault{{store.Verified, 4}}},
		{"a verdict of a check that nobody knows", []string{`UPDATE blocks SET checks_passed = checks_passed | 16384 WHERE number = 4`}, []fault{{store.Verified, 4}}},

		{"a length that no constraint allows", []string{unchecked, `UPDATE blocks SET hash = x'00' WHERE number = 3`}, []fault{{store.Whole, 3}}},
		{"missing but never due", []string{unchecked, `UPDATE failed_blocks SET next_retry_at = NULL WHERE block_number = 8`}, []fault{{store.Coverage, 8}}},
		{"skipped for no reason", []string{unchecked, `UPDATE failed_blocks SET skipped_at = 1, next_retry_at = NULL WHERE block_number = 8`}, []fault{{store.Coverage, 8}}},
		{"an index that is not the table's", []string{`PRAGMA writable_schema = 1`, `CREATE INDEX i ON logs (data)`,
			`UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON logs (shape)' WHERE name = 'i'`}, nil /* below */},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			base := early
			for _, f := range tt.want {
				if f.number >= 899 && f.number < 1000 || tt.name == "an orphan below the start block" {
					base = late
				}
			}
			write(t, path, base)
			runSQL(t, path, tt.sql...)
			done, faults := check(t, path)
			if tt.name == "an index that is not the table's" {
				if len(faults) == 0 || faults[0].Promise != store.Sound {
					t.Errorf("found %v", faults)
				}
				return
			}
			var got []fault
			for _, f := range faults {
				got = append(got, fault{f.Promise, f.Number})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %v, want %v", faults, tt.want)
			}
			if done.Faults != uint64(len(faults)) {
				t.Errorf("%d faults are counted", done.Faults)
			}
		})
	}
}

// madeFile makes a file of blocks from a start, with a gap.
func madeFile(t *testing.T, start, gapFirst, gapLast, last uint64) []byte {
	t.Helper()
	s := newStore(t, start, stored(t, start, gapFirst-1), missing(gapFirst, gapLast), stored(t, gapLast+1, last))
	path := s.Path()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files(t, path)[0]
}

// unchecked lets somebody write what a CHECK refuses.
const unchecked = `PRAGMA ignore_check_constraints = ON`

// copyRow is the SQL that copies some row of a table to another key.
func copyRow(table, key string) string {
	return fmt.Sprintf(`CREATE TEMP TABLE copied AS SELECT * FROM %[1]s LIMIT 1; UPDATE copied SET %[2]s;
		INSERT INTO %[1]s (%[3]s) SELECT %[3]s FROM copied`, table, key, columnsOf[table])
}

var columnsOf = map[string]string{
	"transactions": "id, block_number, transaction_index, hash, type, from_address, nonce, gas, value, input, v, r, s, shape, cumulative_gas_used, gas_used, log_count, receipt_shape",
	"logs":         "id, block_number, log_index, transaction_index, address, data, shape",
	"withdrawals":  "block_number, position, withdrawal_index, validator_index, address, amount, shape",
	"uncles": "block_number, position, number, hash, parent_hash, uncles_hash, miner, state_root, transactions_root, receipts_root," +
		" difficulty, gas_limit, gas_used, timestamp, extra_data, mix_hash, nonce, shape",
}

// change is the SQL that changes the first byte of a column.
func change(table, column, where string) string {
	return fmt.Sprintf(`UPDATE %[1]s SET %[2]s = unhex(iif(substr(hex(%[2]s), 1, 2) = '99', '98', '99') || substr(hex(%[2]s), 3)) WHERE %[3]s`,
		table, column, where)
}

func TestCheckCounts(t *testing.T) {
	s := newStore(t, 901, stored(t, 901, 905), missing(906, 906), stored(t, 907, 911))
	whole := store.Checked{From: 901, To: 911, Blocks: 10, Missing: 1, Links: 8}
	for _, n := range []uint64{901, 902, 903, 904, 905, 907, 908, 909, 910, 911} {
		b := block(t, n)
		whole.Transactions += uint64(len(b.Transactions))
		for i := range b.Transactions {
			whole.Logs += uint64(len(b.Transactions[i].Receipt.Logs))
		}
	}
	at := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		name     string
		from, to *uint64
		want     store.Checked // Transactions and Logs only for the whole
	}{
		{"all", nil, nil, whole},
		{"from", at(905), nil, store.Checked{From: 905, To: 911, Blocks: 6, Missing: 1, Links: 5}},
		{"to", nil, at(902), store.Checked{From: 901, To: 902, Blocks: 2, Links: 1}},
		{"one", at(904), at(904), store.Checked{From: 904, To: 904, Blocks: 1, Links: 1}},
		{"more than there is", at(0), at(5000), store.Checked{From: 901, To: 911, Blocks: 10, Missing: 1, Links: 8}},
		{"below", nil, at(5), store.Checked{From: 901, To: 900}},
		{"above", at(5000), nil, store.Checked{From: 912, To: 911}},
		{"backwards", at(910), at(905), store.Checked{From: 910, To: 909}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var done, total uint64
			got, err := store.Checker{From: tt.from, To: tt.to, Fault: func(f store.Fault) { t.Error(f) },
				Progress: func(d, n uint64) { done, total = d, n }}.Check(t.Context(), s.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Transactions == 0 {
				got.Transactions, got.Logs = 0, 0
			}
			tt.want.Incomplete = tt.want.Blocks // of none were the senders checked
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if want := got.To + 1 - got.From; done != want || total != want {
				t.Errorf("progress ended at %d of %d, want %d", done, total, want)
			}
		})
	}
}

func TestCheckIsCancelled(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 200))
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	_, err := store.Checker{Fault: func(f store.Fault) { t.Error(f) }, Progress: func(uint64, uint64) { cancel(stop) }}.Check(ctx, s.Reader)
	if !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// What is wrong in a file of an earlier schema is told, and keeps nobody from
// reading it.
func TestCheckOfAnEarlierSchema(t *testing.T) {
	path := newPath(t)
	ours(t, path)
	runSQL(t, path, unchecked, `UPDATE logs SET address = x'01' WHERE id = (SELECT MAX(id) FROM logs)`,
		`UPDATE transfers SET token = x'01' WHERE block_number = (SELECT MAX(block_number) FROM transfers)`)
	r, err := store.OpenReaderKnowing(t.Context(), path, grown())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	faults := 0
	c := store.Checker{Fault: func(store.Fault) { faults++ }}
	if _, err := c.Check(t.Context(), r); err != nil || faults == 0 {
		t.Errorf("%d faults, %v", faults, err)
	}
}

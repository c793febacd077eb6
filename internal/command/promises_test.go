package command

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// held names for each sentence of what README promises the tests that hold it.
var held = map[string]string{
	"After every commit, and so after a crash at any instant:":                                                                                                                             "store.TestKill simulation.TestSimulation",
	"coverage: every number from the start block to the head is in exactly one of `blocks` and `failed_blocks`;":                                                                           "simulation.TestSimulation store.TestCheckFindsFaults",
	"whole: a block is stored with all its transactions, receipts, logs, withdrawals and uncles, or not at all;":                                                                           "store.TestKill store.TestCheckFindsFaults",
	"linked: of two stored neighbours, one is the parent of the other;":                                                                                                                    "store.TestCommit store.TestCheckFindsFaults",
	"verified: header hash, transactions root, receipts root, withdrawals root, uncles hash, logs bloom, transaction hashes and what follows from them were computed again from the data.": "chain.TestVerifyNoticesEveryChange chain.TestVerifyNoticesEveryKey",
	"Senders too near the head;": "chain.TestVerifyNoticesEveryChange",
	"far below it they are left out unless `--verify strict`, because they cost more than all else together.":   "command.TestComplete",
	"What was checked stands beside the block, and `gapless verify --complete` makes the rest.":                 "store.TestComplete command.TestComplete",
	"That proves a block to be what its hash says, and to stand on the block before it.":                        "chain.TestVerifyNoticesEveryChange store.TestCommit",
	"It does not prove that the node is on the right chain, nor the state root, which needs the state.":         "chain.TestVerifyNoticesEveryChange",
	"Nothing commits to `size`, `totalDifficulty`, `blobGasPrice` and what a rollup's receipts say of its fee:": "chain.TestVerifyNoticesEveryKey",
	"they are stored as told.": "chain.TestRecordingsRoundTrip",
	"A check is computed from the fields that are known, and if it comes out, it has passed, whatever else the node gives.":                                                                               "chain.TestVerdict chain.TestHeaderOfNewerFork",
	"If it does not come out, the block is missing, and no key that gapless does not know excuses it.":                                                                                                    "chain.TestVerifyNoticesEveryKeySpoiled indexer.TestProperty",
	"A key that comes twice or is not UTF-8, a number that is none and a known key that can't be read are wrong.":                                                                                         "chain.TestRefused command.TestImportOfFlippedBits",
	"Of Geth, op-geth, anvil, Hardhat, Ganache, Besu, Erigon, Nethermind and Reth, by what they call themselves, only a transaction type that gapless does not know is excused.":                          "chain.TestKnownClient indexer.TestProperty",
	"A check of another client can't be computed on this chain if three blocks that have something to compute for it fail it alike, each told twice the same, and none passes from the first of them on.": "chain.TestProbes indexer.TestProperty indexer.TestPropertyOutOfOrder",
	"From there on it is left out, which is kept in the file, said once, and shown by `gapless status`, the page and `gapless verify`.":                                                                   "command.TestChainOfAnotherKind api.TestPageOfAnotherKind",
	"Until then the blocks are missing.":                                                  "indexer.TestPropertyAtTheHead",
	"A client that lies about all blocks alike can't be told from a chain of its own.":    "indexer.TestProperty",
	"An archive shows it by its own blocks, and its word for its client excuses nothing.": "command.TestChainOfAnotherKind command.TestImportBelievesNoClient",
	"`gapless verify` believes no verdict, and finds all that out anew.":                  "command.TestVerifyBelievesNoVerdict",
	"What real nodes give, and what of it can be computed again (out of all blocks of a recording with every kind of transaction that the node can make; the whole table):":                    "chain.TestChecksTable",
	"So with `--verify auto`, the default, a block that is provably wrong is refused, except from anvil, hardhat and ganache on this machine, where it is stored with a verdict that says so.": "indexer.TestLevels command.TestDevnetElsewhere",
}

// Every sentence of what README promises names a test that holds it.
func TestPromises(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## What is promised\n")
	section, _, found := strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("README promises nothing")
	}
	want := sentences(section)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(held))); diff != "" {
		t.Errorf("sentences without a test, and tests without a sentence (-README +table):\n%s", diff)
	}
	for sentence, tests := range held {
		for name := range strings.FieldsSeq(tests) {
			if !isTest(t, name) {
				t.Errorf("there is no %s, which is to hold: %s", name, sentence)
			}
		}
	}
}

var (
	markup = regexp.MustCompile(`\*\*|\[([^\]]*)\]\([^)]*\)`)
	ending = regexp.MustCompile(`[.;:]\s`)
)

// sentences gives those of a text, without its tables.
func sentences(text string) (all []string) {
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\n- ", "\n\n"), "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); strings.HasPrefix(paragraph, "|") {
			continue
		}
		paragraph = strings.Join(strings.Fields(markup.ReplaceAllString(paragraph, "$1")), " ")
		first := 0
		for _, at := range append(ending.FindAllStringIndex(paragraph, -1), []int{len(paragraph), len(paragraph)}) {
			end := min(at[0]+1, len(paragraph))
			sentence := strings.TrimSpace(paragraph[first:end])
			if title := strings.HasSuffix(sentence, ":") && !strings.Contains(sentence, " "); sentence == "" || title || strings.Count(sentence, "(") > strings.Count(sentence, ")") {
				continue // goes on
			}
			all, first = append(all, sentence), end
		}
	}
	return all
}

// isTest reports whether a package has a test.
func isTest(t *testing.T, name string) bool {
	t.Helper()
	pkg, test, _ := strings.Cut(name, ".")
	for _, folder := range []string{"../../internal/", "../../internal/node/", "../../"} {
		files, err := filepath.Glob(folder + pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\nfunc "+test+"(") {
				return true
			}
		}
	}
	return false
}

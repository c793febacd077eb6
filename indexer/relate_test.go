package indexer

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

func TestRelate(t *testing.T) {
	ours := func(number uint64) common.Hash { return common.Hash{byte(number)} }
	other := common.Hash{0xff}
	for _, tt := range []struct {
		name      string
		tip, next uint64
		at        uint64 // highest stored block up to the head; 99: none
		head      uint64
		theirs    common.Hash // at that number
		back      bool
		want      relation
	}{
		{"the same", 30, 31, 30, 30, ours(30), false, extends},
		{"longer", 30, 31, 30, 35, ours(30), true, extends},
		{"another tip", 30, 31, 30, 30, other, false, forked},
		{"another tip, longer", 30, 31, 30, 35, other, false, forked},
		{"shorter", 30, 31, 20, 20, ours(20), false, lagging},
		{"shorter, taken back", 30, 31, 20, 20, ours(20), true, reverted},
		{"shorter, another head", 30, 31, 20, 20, other, false, forked},
		{"shorter, to a missing block", 30, 31, 18, 20, ours(18), false, lagging},
		{"shorter, to a missing block, another below", 30, 31, 18, 20, other, false, forked},
		{"shorter, to genesis", 30, 31, 0, 0, ours(0), false, lagging},
		{"below all that is stored", 30, 31, 99, 5, common.Hash{}, false, lagging},
		{"below all that is stored, taken back", 30, 31, 99, 5, common.Hash{}, true, lagging},
		{"below missing blocks at the top", 27, 31, 27, 28, ours(27), false, lagging},
		{"below missing blocks at the top, taken back", 27, 31, 27, 28, ours(27), true, reverted},
		{"above missing blocks at the top", 27, 31, 27, 30, ours(27), true, extends},
	} {
		l := local{tip: store.Anchor{Number: tt.tip, Hash: ours(tt.tip)}, next: tt.next}
		if tt.at != 99 {
			l.at = &store.Anchor{Number: tt.at, Hash: ours(tt.at)}
		}
		if got := relate(l, remote{tt.head, tt.theirs, tt.back}); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

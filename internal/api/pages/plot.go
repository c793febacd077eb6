package pages

import (
	"fmt"

	"gapless/internal/store"
)

// A plot is a bar for each of some blocks. Its height is 40 units, a bar is one
// unit wide, and a block that is not stored leaves its place empty.
type plot struct {
	Width int
	Bars  []bar
	Title string
}

// A bar is drawn from Y down to the ground.
type bar struct {
	X           int
	Y, Height   float64
	Number      uint64
	Description string
}

const plotHeight = 40

// newPlot draws the value of each block, which are in order of their numbers.
func newPlot(blocks []store.Summary, most uint64, value func(*store.Summary) (uint64, string)) plot {
	p := plot{}
	if len(blocks) == 0 {
		return p
	}
	for i := range blocks {
		v, _ := value(&blocks[i])
		most = max(most, v)
	}
	first := blocks[0].Number
	p.Width = int(min(blocks[len(blocks)-1].Number-first+1, 4*blocksDrawn))
	for i := range blocks {
		b := &blocks[i]
		v, what := value(b)
		x := b.Number - first
		if v == 0 || x >= uint64(p.Width) {
			continue
		}
		height := max(plotHeight*float64(v)/float64(most), 1)
		p.Bars = append(p.Bars, bar{
			X: int(x), Y: plotHeight - height, Height: height, Number: b.Number,
			Description: fmt.Sprintf("block %s: %s", thousands(fmt.Sprint(b.Number)), what),
		})
	}
	return p
}

func gasPlot(blocks []store.Summary) plot {
	p := newPlot(blocks, 1, func(b *store.Summary) (uint64, string) {
		return b.GasUsed, fmt.Sprintf("%s gas, %s", thousands(fmt.Sprint(b.GasUsed)), percent(b.GasUsed, b.GasLimit))
	})
	p.Title = "Gas used"
	return p
}

func transactionPlot(blocks []store.Summary) plot {
	p := newPlot(blocks, 1, func(b *store.Summary) (uint64, string) {
		return uint64(b.Transactions), plural(b.Transactions, "transaction")
	})
	p.Title = "Transactions"
	return p
}

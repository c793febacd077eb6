package main

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

const (
	chainID = 420120
	spacing = 10 // seconds between blocks: the chain maker's
)

type genesisMaker func() (genesis *core.Genesis, blocks int)

// everyFork is a chain that goes through every fork of the OP Stack. No fork
// has the time of a block, so that the first block of Canyon is spared the
// state change that the chain maker does not make.
func everyFork() (*core.Genesis, int) {
	at := func(block uint64) *uint64 {
		t := block*spacing - 1
		return &t
	}
	g := genesis(&params.ChainConfig{
		RegolithTime: at(8), CanyonTime: at(14), EcotoneTime: at(20), FjordTime: at(26),
		GraniteTime: at(27), HoloceneTime: at(29), IsthmusTime: at(33), JovianTime: at(39),
	})
	g.ExtraData = []byte("BEDROCK") // as op-node's genesis had it
	return g, 46
}

// jovianDevnet is a chain with all forks from its genesis on, as devnets are.
func jovianDevnet() (*core.Genesis, int) {
	zero := new(uint64)
	g := genesis(&params.ChainConfig{
		RegolithTime: zero, CanyonTime: zero, EcotoneTime: zero, FjordTime: zero,
		GraniteTime: zero, HoloceneTime: zero, IsthmusTime: zero, JovianTime: zero,
	})
	g.ExtraData = eip1559.EncodeJovianExtraData(250, 6, 1)
	return g, 4
}

// genesis adds to the times of the forks what chains share.
func genesis(c *params.ChainConfig) *core.Genesis {
	block0 := new(big.Int)
	c.ChainID = big.NewInt(chainID)
	c.HomesteadBlock, c.EIP150Block, c.EIP155Block, c.EIP158Block = block0, block0, block0, block0
	c.ByzantiumBlock, c.ConstantinopleBlock, c.PetersburgBlock, c.IstanbulBlock = block0, block0, block0, block0
	c.MuirGlacierBlock, c.BerlinBlock, c.LondonBlock, c.ArrowGlacierBlock, c.GrayGlacierBlock = block0, block0, block0, block0, block0
	c.MergeNetsplitBlock, c.TerminalTotalDifficulty = block0, block0
	c.BedrockBlock, c.ShanghaiTime, c.CancunTime, c.PragueTime = block0, c.CanyonTime, c.EcotoneTime, c.IsthmusTime
	canyon := uint64(250)
	c.Optimism = &params.OptimismConfig{EIP1559Elasticity: 6, EIP1559Denominator: 50, EIP1559DenominatorCanyon: &canyon}
	alloc := types.GenesisAlloc{
		l1Block:       {Code: l1BlockCode, Balance: new(big.Int)},
		messagePasser: {Code: messagePasserCode, Balance: new(big.Int), Storage: map[common.Hash]common.Hash{{}: {31: 1}}},
		emitter:       {Code: emitterCode, Balance: new(big.Int)},
		reverter:      {Code: reverterCode, Balance: new(big.Int)},
	}
	for i := range users {
		alloc[users[i].address] = types.Account{Balance: ether(1000)}
	}
	return &core.Genesis{Config: c, GasLimit: 30_000_000, BaseFee: big.NewInt(1_000_000_000),
		Difficulty: new(big.Int), Coinbase: feeVault, Alloc: alloc}
}

func ether(n int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(n), big.NewInt(params.Ether))
}

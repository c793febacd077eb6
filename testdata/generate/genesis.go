package main

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// chainID needs 52 bits, so that the v of an EIP-155 signature is past what
// a float64 holds exactly.
const chainID = 0xfab1e_5afe_cafe

// The first block of each fork; Frontier begins at genesis.
const (
	homestead      = 60
	eip150         = 120
	eip158         = 180 // EIP-155 too
	byzantium      = 240
	constantinople = 300
	petersburg     = 360
	istanbul       = 420
	muirGlacier    = 480
	berlin         = 540
	london         = 600
	arrowGlacier   = 660
	grayGlacier    = 720
	paris          = 780
	shanghai       = 900
	cancun         = 1000
	prague         = 1120
	osaka          = 1240
	bpo1           = 1300
	bpo2           = 1360
	amsterdam      = 1420
	bogota         = 1540
	last           = 1600 // the chain's last block
)

// interval returns the seconds between block n-1 and block n. They vary
// before the merge, so that the difficulty does, and are the chain maker's
// own 10 after it.
func interval(n uint64) uint64 {
	if n >= paris {
		return 10
	}
	return 7 + n%7
}

// timestamp returns the time of block n: 0 for genesis.
func timestamp(n uint64) uint64 {
	var t uint64
	for i := uint64(1); i <= n; i++ {
		t += interval(i)
	}
	return t
}

// chainConfig activates every fork at its block. Its terminal total difficulty
// is unknown before the chain is made; see [makeChain].
func chainConfig() *params.ChainConfig {
	at := func(n uint64) *uint64 { return new(timestamp(n)) }
	return &params.ChainConfig{
		ChainID:                 big.NewInt(chainID),
		HomesteadBlock:          big.NewInt(homestead),
		EIP150Block:             big.NewInt(eip150),
		EIP155Block:             big.NewInt(eip158),
		EIP158Block:             big.NewInt(eip158),
		ByzantiumBlock:          big.NewInt(byzantium),
		ConstantinopleBlock:     big.NewInt(constantinople),
		PetersburgBlock:         big.NewInt(petersburg),
		IstanbulBlock:           big.NewInt(istanbul),
		MuirGlacierBlock:        big.NewInt(muirGlacier),
		BerlinBlock:             big.NewInt(berlin),
		LondonBlock:             big.NewInt(london),
		ArrowGlacierBlock:       big.NewInt(arrowGlacier),
		GrayGlacierBlock:        big.NewInt(grayGlacier),
		MergeNetsplitBlock:      big.NewInt(paris),
		ShanghaiTime:            at(shanghai),
		CancunTime:              at(cancun),
		PragueTime:              at(prague),
		OsakaTime:               at(osaka),
		BPO1Time:                at(bpo1),
		BPO2Time:                at(bpo2),
		AmsterdamTime:           at(amsterdam),
		BogotaTime:              at(bogota),
		TerminalTotalDifficulty: big.NewInt(1),
		DepositContractAddress:  depositContract,
		Ethash:                  new(params.EthashConfig),
		BlobScheduleConfig: &params.BlobScheduleConfig{
			Cancun: params.DefaultCancunBlobConfig,
			Prague: params.DefaultPragueBlobConfig,
			BPO1:   params.DefaultBPO1BlobConfig,
			BPO2:   params.DefaultBPO2BlobConfig,
		},
	}
}

// genesis returns the genesis block: the contracts, the system contracts that
// later forks expect, and accounts with balances past 2^64 wei.
func genesis() *core.Genesis {
	alloc := types.GenesisAlloc{
		params.BeaconRootsAddress:        {Nonce: 1, Code: params.BeaconRootsCode},
		params.HistoryStorageAddress:     {Nonce: 1, Code: params.HistoryStorageCode},
		params.WithdrawalQueueAddress:    {Nonce: 1, Code: params.WithdrawalQueueCode},
		params.ConsolidationQueueAddress: {Nonce: 1, Code: params.ConsolidationQueueCode},
		params.BuilderDepositAddress:     {Nonce: 1, Code: params.BuilderDepositCode},
		params.BuilderExitAddress:        {Nonce: 1, Code: params.BuilderExitCode},
	}
	for address, code := range contracts() {
		alloc[address] = types.Account{Nonce: 1, Code: code, Balance: new(big.Int)}
	}
	rich := new(big.Int).Lsh(common.Big1, 120)
	for i := range senders {
		alloc[sender(i).address] = types.Account{Balance: rich}
	}
	for i := range authorities {
		alloc[authority(i).address] = types.Account{Balance: big.NewInt(params.Ether)}
	}
	for address, account := range alloc {
		if account.Balance == nil {
			account.Balance = new(big.Int)
			alloc[address] = account
		}
	}
	return &core.Genesis{
		Config:     chainConfig(),
		ExtraData:  []byte("gapless"),
		GasLimit:   10_000_000,
		Difficulty: new(big.Int).Set(params.GenesisDifficulty),
		Coinbase:   named("genesis"),
		Nonce:      42,
		Mixhash:    noise("genesis"),
		Alloc:      alloc,
	}
}

// named returns an address that belongs to name.
func named(format string, args ...any) common.Address {
	h := noise(format, args...)
	return common.BytesToAddress(h[12:])
}

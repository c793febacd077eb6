package chain

// A Result is what came of asking for one block.
type Result struct {
	Number uint64
	Block  *Block // nil if Err is set
	Err    error  // of a class that is of the block
	Bytes  int    // of JSON that the block and its receipts took
}

// An Identity is what an endpoint says of itself and its chain.
type Identity struct {
	ChainID  uint64
	Genesis  *Header // block 0; nil if the endpoint does not have it
	Client   string  // web3_clientVersion
	Loopback bool    // the endpoint is on this machine
}

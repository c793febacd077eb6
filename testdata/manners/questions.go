package manners

// A question is a call. In params stands {head} for the number of the highest
// block, {head+1} for one that is not there yet, and {last} for the answer before.
type question struct{ method, params string }

const (
	nobody  = `"0x00000000000000000000000000000000000000aa"`
	unknown = `"0x00000000000000000000000000000000000000000000000000000000deadbeef"`
)

var questions = []question{
	{"eth_getLogs", `[{"fromBlock":"{head-2}","toBlock":"{head}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head-2}","toBlock":"{head+5}"}]`},
	{"eth_getLogs", `[{"toBlock":"{head+5}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head+1}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head+1}","toBlock":"latest"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head+1}","toBlock":"{head+5}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head+5}","toBlock":"{head+1}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head+5}","toBlock":"{head-2}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head-1}","toBlock":"{head-2}"}]`},
	{"eth_getLogs", `[{"fromBlock":"latest","toBlock":"{head-2}"}]`},
	{"eth_getLogs", `[{"fromBlock":"latest","toBlock":"{head}"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head-1}","toBlock":"earliest"}]`},
	{"eth_getLogs", `[{"toBlock":"{head-2}"}]`},
	{"eth_getLogs", `[{}]`},
	{"eth_getLogs", `[{"fromBlock":"pending"}]`},
	{"eth_getLogs", `[{"toBlock":"pending"}]`},
	{"eth_getLogs", `[{"fromBlock":"pending","toBlock":"pending"}]`},
	{"eth_getLogs", `[{"fromBlock":"{head-2}","toBlock":"pending"}]`},
	{"eth_getLogs", `[{"fromBlock":"pending","toBlock":"latest"}]`},
	{"eth_getLogs", `[{"fromBlock":"pending","toBlock":"{head+5}"}]`},
	{"eth_getLogs", `[{"blockHash":` + unknown + `}]`},

	{"eth_newFilter", `[{"fromBlock":"{head-1}","toBlock":"{head-2}"}]`},
	{"eth_newFilter", `[{"fromBlock":"{head+5}"}]`},
	{"eth_newFilter", `[{"fromBlock":"{head-2}","toBlock":"{head+5}"}]`},
	{"eth_newFilter", `[{"fromBlock":"pending"}]`},
	{"eth_newFilter", `[{"toBlock":"pending"}]`},
	{"eth_getFilterChanges", `["0xdeadbeef"]`},
	{"eth_getFilterLogs", `["0xdeadbeef"]`},
	{"eth_uninstallFilter", `["0xdeadbeef"]`},
	{"eth_newPendingTransactionFilter", `[]`},
	{"eth_getFilterChanges", `[{last}]`},

	{"eth_getBlockByNumber", `["pending",false]`},
	{"eth_getHeaderByNumber", `["pending"]`},
	{"eth_getBlockTransactionCountByNumber", `["pending"]`},
	{"eth_getTransactionByBlockNumberAndIndex", `["pending","0x0"]`},
	{"eth_getBlockReceipts", `["pending"]`},
	{"eth_getUncleCountByBlockNumber", `["pending"]`},
	{"eth_getUncleByBlockNumberAndIndex", `["pending","0x0"]`},
	{"eth_getTransactionCount", `[` + nobody + `,"pending"]`},

	{"eth_getBlockByNumber", `["{head+1}",false]`},
	{"eth_getBlockTransactionCountByNumber", `["{head+1}"]`},
	{"eth_getTransactionByBlockNumberAndIndex", `["{head+1}","0x0"]`},
	{"eth_getBlockReceipts", `["{head+1}"]`},
	{"eth_getUncleCountByBlockNumber", `["{head+1}"]`},
	{"eth_getUncleByBlockNumberAndIndex", `["{head+1}","0x0"]`},

	{"eth_getBlockByHash", `[` + unknown + `,false]`},
	{"eth_getBlockTransactionCountByHash", `[` + unknown + `]`},
	{"eth_getTransactionByBlockHashAndIndex", `[` + unknown + `,"0x0"]`},
	{"eth_getBlockReceipts", `[` + unknown + `]`},
	{"eth_getUncleCountByBlockHash", `[` + unknown + `]`},
	{"eth_getUncleByBlockHashAndIndex", `[` + unknown + `,"0x0"]`},
	{"eth_getTransactionByHash", `[` + unknown + `]`},
	{"eth_getTransactionReceipt", `[` + unknown + `]`},

	{"eth_feeHistory", `["0x2","{head}",[]]`},
	{"eth_feeHistory", `["0x2","{head}",[50]]`},
	{"eth_feeHistory", `["0x0","{head}",[]]`},
	{"eth_feeHistory", `["0x1","{head+1}",[]]`},
	{"eth_feeHistory", `["0x3","{head+1}",[]]`},
	{"eth_feeHistory", `["0x1","pending",[]]`},
	{"eth_feeHistory", `["0x2","pending",[]]`},

	{"eth_coinbase", `[]`},
	{"net_listening", `[]`},
	{"net_peerCount", `[]`},
	{"web3_sha3", `["0x68656c6c6f"]`},
	{"web3_sha3", `["0x"]`},
	{"txpool_status", `[]`},
}

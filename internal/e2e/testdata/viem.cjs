// 20 read calls, a log query and a subscription with viem. Prints a line each.
const { createPublicClient, http, webSocket, parseAbiItem } = require(process.env.MODULE)

// The order of keys is not the node's to promise.
const sorted = (v) => (v && typeof v === 'object' && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v)
const print = (name, value) => console.log(name, JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : sorted(v))))

// A node's filter may lag behind its own subscriptions.
async function firstChange(client, filter) {
  for (let tries = 0; tries < 200; tries++) {
    const changes = await client.getFilterChanges({ filter })
    if (changes.length > 0) return changes[0]
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function main() {
  const number = BigInt(process.env.BLOCK) // has a transaction
  const client = createPublicClient({ transport: http(process.env.HTTP_URL, { retryCount: 0 }) })
  const head = await client.getBlockNumber()
  print('getChainId', await client.getChainId())
  print('getBlockNumber', head)
  const latest = await client.getBlock()
  print('getBlock latest', latest)
  print('getBlock earliest', await client.getBlock({ blockTag: 'earliest' }))
  print('getBlock by number', await client.getBlock({ blockNumber: number, includeTransactions: true }))
  print('getBlock by hash', await client.getBlock({ blockHash: latest.hash }))
  print('getBlockTransactionCount', await client.getBlockTransactionCount({ blockNumber: number }))
  const hash = (await client.getBlock({ blockNumber: number })).transactions[0]
  print('getTransaction', await client.getTransaction({ hash }))
  print('getTransaction by index', await client.request({ method: 'eth_getTransactionByBlockNumberAndIndex', params: [process.env.BLOCK, '0x0'] }))
  print('getTransactionReceipt', await client.getTransactionReceipt({ hash }))
  print('getTransactionConfirmations', await client.getTransactionConfirmations({ hash }))
  print('waitForTransactionReceipt', await client.waitForTransactionReceipt({ hash }))
  print('getFeeHistory', await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [10, 50, 90] }))
  print('getBlobBaseFee', await client.getBlobBaseFee())
  print('getBlockReceipts', await client.request({ method: 'eth_getBlockReceipts', params: [process.env.BLOCK] }))
  print('getUncleCount', await client.request({ method: 'eth_getUncleCountByBlockNumber', params: [process.env.BLOCK] }))
  print('getHeader', await client.request({ method: 'eth_getHeaderByNumber', params: [process.env.BLOCK] }))
  print('getLogs', await client.getLogs({ fromBlock: 0n, toBlock: head }))
  print('getLogs by event', await client.getLogs({ event: parseAbiItem('event Nothing(uint256)'), fromBlock: 0n, toBlock: head }))
  const filter = await client.createBlockFilter()
  print('getBlock missing', await client.getBlock({ blockNumber: 10000n }).catch((e) => e.name))
  print('getTransaction missing', await client.getTransaction({ hash: `0x${'00'.repeat(31)}01` }).catch((e) => e.name))

  const pending = await client.getFilterChanges({ filter: await client.createPendingTransactionFilter() })
  if (pending.length !== 0) throw new Error(`pending: ${pending}`)
  const socket = createPublicClient({ transport: webSocket(process.env.WS_URL) })
  await new Promise((resolve, reject) => {
    socket.transport.subscribe({
      params: ['newHeads'],
      onData: async ({ result }) => {
        print('newHeads', [result, await firstChange(client, filter)])
        resolve()
      },
      onError: reject,
    }).then(() => fetch(process.env.HTTP_URL, { method: 'POST', headers: { 'content-type': 'application/json' }, body: process.env.GROW }), reject)
  })
  process.exit(0)
}

main().catch((e) => { console.error(e); process.exit(1) })

// 20 read calls, a log query and a subscription with ethers. Prints a line each.
const { JsonRpcProvider, WebSocketProvider } = require(process.env.MODULE)

// The order of keys is not the node's to promise.
const sorted = (v) => (v && typeof v === 'object' && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v)
const print = (name, value) => console.log(name, JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : sorted(v))))

async function main() {
  const block = Number(process.env.BLOCK) // has a transaction
  const provider = new JsonRpcProvider(process.env.HTTP_URL)
  const head = await provider.getBlockNumber()
  print('getNetwork', (await provider.getNetwork()).chainId)
  print('getBlockNumber', head)
  const latest = await provider.getBlock('latest')
  print('getBlock latest', latest)
  print('getBlock earliest', await provider.getBlock('earliest'))
  print('getBlock by number', await provider.getBlock(block, true))
  print('getBlock by hash', await provider.getBlock(latest.hash))
  print('prefetchedTransactions', (await provider.getBlock(block, true)).prefetchedTransactions)
  const mined = await provider.getBlock(block)
  const hash = mined.transactions[0]
  const transaction = await provider.getTransaction(hash)
  print('getTransaction', transaction)
  print('confirmations', await transaction.confirmations())
  print('getTransaction of block', await mined.getTransaction(0))
  const receipt = await provider.getTransactionReceipt(hash)
  print('getTransactionReceipt', receipt)
  print('getResult', await receipt.getResult().catch((e) => e.code))
  print('waitForTransaction', await provider.waitForTransaction(hash))
  print('getFeeHistory', await provider.send('eth_feeHistory', ['0x4', 'latest', [10, 50, 90]]))
  print('getBlockReceipts', await provider.send('eth_getBlockReceipts', [process.env.BLOCK]))
  print('getRawTransaction', await provider.send('eth_getRawTransactionByHash', [hash]))
  print('getHeader', await provider.send('eth_getHeaderByNumber', [process.env.BLOCK]))
  print('getLogs', await provider.getLogs({ fromBlock: 0, toBlock: head }))
  print('getLogs by topic', await provider.getLogs({ fromBlock: 0, topics: [`0x${'00'.repeat(31)}07`] }))
  print('getBlock missing', await provider.getBlock(10000))
  print('getTransaction missing', await provider.getTransaction(`0x${'00'.repeat(31)}01`))

  await provider.on('pending', () => {}) // by a filter
  const socket = new WebSocketProvider(process.env.WS_URL)
  await socket.getNetwork()
  await socket.on('pending', () => {})
  const number = new Promise((resolve) => socket.on('block', resolve))
  const id = await socket.send('eth_subscribe', ['transactionReceipts']) // the other subscription was sent before
  const receipts = new Promise((resolve) => socket.websocket.addEventListener('message', ({ data }) => {
    const { params } = JSON.parse(data)
    if (params?.subscription === id) resolve(params.result)
  }))
  await new Promise((resolve) => setTimeout(resolve, 500))
  await fetch(process.env.HTTP_URL, { method: 'POST', headers: { 'content-type': 'application/json' }, body: process.env.GROW })
  print('newHeads', await number)
  print('transactionReceipts', await receipts)
  process.exit(0)
}

main().catch((e) => { console.error(e); process.exit(1) })

// Answers queries with DuckDB: takes the folder of its package and a JSON list
// of queries, and prints a JSON list of their rows, values as text.
const { DuckDBInstance } = require(process.argv[2] + '/@duckdb/node-api')

async function main() {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const answers = []
  for (const query of JSON.parse(process.argv[3])) {
    const rows = (await connection.runAndReadAll(query)).getRows()
    answers.push(rows.map((row) => row.map((v) => (v === null ? '' : String(v)))))
  }
  console.log(JSON.stringify(answers))
}

main().catch((err) => {
  console.error(err.message)
  process.exit(1)
})

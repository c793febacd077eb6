-- The index of one chain. Hashes, addresses and data are BLOBs; quantities of
-- 256 bits are decimal TEXT without leading zeros; times are unix milliseconds
-- unless a comment says otherwise.
--
-- What is in a block is in order of the block's number and of its place in it.
-- Rows of transactions and logs may be long, so that these tables have an id that
-- puts the two together: SQLite packs long rows tightly only by rowid
-- (https://sqlite.org/withoutrowid.html).

CREATE TABLE chain (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    epoch            BLOB    NOT NULL CHECK (length(epoch) = 8),         -- random; names this file in event ids
    chain_id         TEXT    NOT NULL,                                   -- decimal
    genesis_hash     BLOB    NOT NULL CHECK (length(genesis_hash) = 32),
    fork_block       INTEGER,                                            -- where a fork of a live chain begins
    fork_hash        BLOB    CHECK (length(fork_hash) = 32),
    start_block      INTEGER NOT NULL CHECK (start_block >= 0),          -- the lowest block number that is indexed
    client           TEXT    NOT NULL,                                   -- web3_clientVersion of the first node
    created_at       INTEGER NOT NULL,                                   -- unix milliseconds
    finalized_number INTEGER,                                            -- as the node tells
    finalized_hash   BLOB    CHECK (length(finalized_hash) = 32),
    safe_number      INTEGER,
    safe_hash        BLOB    CHECK (length(safe_hash) = 32),
    wrong_allowed_at INTEGER                                             -- unix milliseconds, since when blocks are stored though a check failed (verify level warn);
                                                                         --   NULL if they never were
) STRICT;

CREATE TABLE blocks (
    number                   INTEGER PRIMARY KEY CHECK (number >= 0),
    hash                     BLOB    NOT NULL CHECK (length(hash) = 32),
    parent_hash              BLOB    NOT NULL CHECK (length(parent_hash) = 32),
    uncles_hash              BLOB    NOT NULL CHECK (length(uncles_hash) = 32),
    miner                    BLOB    NOT NULL CHECK (length(miner) = 20),
    state_root               BLOB    NOT NULL CHECK (length(state_root) = 32),
    transactions_root        BLOB    NOT NULL CHECK (length(transactions_root) = 32),
    receipts_root            BLOB    NOT NULL CHECK (length(receipts_root) = 32),
    logs_bloom               BLOB    CHECK (length(logs_bloom) = 256),            -- NULL if all bits are zero
    difficulty               TEXT    NOT NULL,                                    -- decimal
    gas_limit                INTEGER NOT NULL,                                    -- gas
    gas_used                 INTEGER NOT NULL,                                    -- gas
    timestamp                INTEGER NOT NULL,                                    -- unix seconds, as the header has it
    extra_data               BLOB    NOT NULL,
    mix_hash                 BLOB    NOT NULL CHECK (length(mix_hash) = 32),
    nonce                    BLOB    NOT NULL CHECK (length(nonce) = 8),
    base_fee_per_gas         TEXT,                                                -- wei, decimal
    withdrawals_root         BLOB    CHECK (length(withdrawals_root) = 32),
    blob_gas_used            INTEGER,                                             -- gas
    excess_blob_gas          INTEGER,                                             -- gas
    parent_beacon_block_root BLOB    CHECK (length(parent_beacon_block_root) = 32),
    requests_hash            BLOB    CHECK (length(requests_hash) = 32),
    block_access_list_hash   BLOB    CHECK (length(block_access_list_hash) = 32),
    slot_number              INTEGER,
    size                     INTEGER,                                             -- bytes of RLP
    total_difficulty         TEXT,                                                -- decimal
    shape                    INTEGER NOT NULL,                                    -- which optional keys the node gave, one bit each; 0 as geth
    extra                    TEXT,                                                -- JSON of the keys that are no column
    transaction_count        INTEGER NOT NULL,
    log_count                INTEGER NOT NULL,
    uncle_count              INTEGER NOT NULL,
    withdrawal_count         INTEGER,                                             -- NULL before EIP-4895
    checks_passed            INTEGER NOT NULL,                                    -- bits: 1 header hash, 2 transactions root, 4 receipts root, 8 withdrawals root,
    checks_not_computable    INTEGER NOT NULL,                                    --   16 uncles hash, 32 logs bloom, 64 transaction hashes, 128 senders, 256 contents;
    checks_failed            INTEGER NOT NULL,                                    --   a check in no set was not made
    indexed_at               INTEGER NOT NULL                                     -- unix milliseconds
) STRICT;

CREATE INDEX blocks_by_hash ON blocks (hash);

-- Blocks of which not all that was checked has passed.
CREATE INDEX blocks_by_unproved ON blocks (checks_not_computable, checks_failed) WHERE checks_not_computable <> 0 OR checks_failed <> 0;

CREATE TABLE uncles (
    block_number             INTEGER NOT NULL,                                    -- of the block that names it
    position                 INTEGER NOT NULL,                                    -- in that block
    number                   INTEGER NOT NULL,                                    -- the uncle's own number
    hash                     BLOB    NOT NULL CHECK (length(hash) = 32),
    parent_hash              BLOB    NOT NULL CHECK (length(parent_hash) = 32),
    uncles_hash              BLOB    NOT NULL CHECK (length(uncles_hash) = 32),
    miner                    BLOB    NOT NULL CHECK (length(miner) = 20),
    state_root               BLOB    NOT NULL CHECK (length(state_root) = 32),
    transactions_root        BLOB    NOT NULL CHECK (length(transactions_root) = 32),
    receipts_root            BLOB    NOT NULL CHECK (length(receipts_root) = 32),
    logs_bloom               BLOB    CHECK (length(logs_bloom) = 256),            -- NULL if all bits are zero
    difficulty               TEXT    NOT NULL,                                    -- decimal
    gas_limit                INTEGER NOT NULL,                                    -- gas
    gas_used                 INTEGER NOT NULL,                                    -- gas
    timestamp                INTEGER NOT NULL,                                    -- unix seconds
    extra_data               BLOB    NOT NULL,
    mix_hash                 BLOB    NOT NULL CHECK (length(mix_hash) = 32),
    nonce                    BLOB    NOT NULL CHECK (length(nonce) = 8),
    base_fee_per_gas         TEXT,                                                -- wei, decimal
    withdrawals_root         BLOB    CHECK (length(withdrawals_root) = 32),
    blob_gas_used            INTEGER,                                             -- gas
    excess_blob_gas          INTEGER,                                             -- gas
    parent_beacon_block_root BLOB    CHECK (length(parent_beacon_block_root) = 32),
    requests_hash            BLOB    CHECK (length(requests_hash) = 32),
    block_access_list_hash   BLOB    CHECK (length(block_access_list_hash) = 32),
    slot_number              INTEGER,
    size                     INTEGER,                                             -- bytes of RLP
    total_difficulty         TEXT,                                                -- decimal
    shape                    INTEGER NOT NULL,
    extra                    TEXT,                                                -- JSON
    PRIMARY KEY (block_number, position)
) STRICT, WITHOUT ROWID;

-- A transaction with its receipt.
CREATE TABLE transactions (
    id                       INTEGER PRIMARY KEY,                                 -- block number << 24 | transaction index
    block_number             INTEGER NOT NULL CHECK (block_number = id >> 24),
    transaction_index        INTEGER NOT NULL CHECK (transaction_index = id & 16777215),
    hash                     BLOB    NOT NULL CHECK (length(hash) = 32),
    type                     INTEGER NOT NULL,                                    -- EIP-2718
    from_address             BLOB    NOT NULL CHECK (length(from_address) = 20),
    to_address               BLOB    CHECK (length(to_address) = 20),             -- NULL for a creation
    nonce                    INTEGER NOT NULL,
    gas                      INTEGER NOT NULL,                                    -- gas limit
    gas_price                TEXT,                                                -- wei, decimal
    max_fee_per_gas          TEXT,                                                -- wei, decimal
    max_priority_fee_per_gas TEXT,                                                -- wei, decimal
    max_fee_per_blob_gas     TEXT,                                                -- wei, decimal
    value                    TEXT    NOT NULL,                                    -- wei, decimal
    input                    BLOB    NOT NULL,
    chain_id                 INTEGER,
    access_list              TEXT,                                                -- JSON
    blob_versioned_hashes    BLOB,                                                -- 32 bytes each
    authorization_list       TEXT,                                                -- JSON
    v                        INTEGER NOT NULL,
    r                        BLOB    NOT NULL,                                    -- big-endian, no leading zeros
    s                        BLOB    NOT NULL,                                    -- big-endian, no leading zeros
    y_parity                 INTEGER,
    shape                    INTEGER NOT NULL,
    extra                    TEXT,                                                -- JSON
    status                   INTEGER,                                             -- 1 or 0; NULL before Byzantium
    root                     BLOB    CHECK (length(root) = 32),                   -- state root; NULL from Byzantium on
    cumulative_gas_used      INTEGER NOT NULL,                                    -- gas
    gas_used                 INTEGER NOT NULL,                                    -- gas
    contract_address         BLOB    CHECK (length(contract_address) = 20),
    effective_gas_price      TEXT,                                                -- wei, decimal
    blob_gas_used            INTEGER,                                             -- gas
    blob_gas_price           TEXT,                                                -- wei, decimal
    receipt_logs_bloom       BLOB    CHECK (length(receipt_logs_bloom) = 256),    -- NULL if it is that of the logs
    log_count                INTEGER NOT NULL,
    receipt_shape            INTEGER NOT NULL,
    receipt_extra            TEXT,                                                -- JSON
    value_real               REAL    AS (CAST(value AS REAL)) VIRTUAL             -- wei, for sorting; exact sums: decimal_sum(value)
) STRICT;

CREATE INDEX transactions_by_block ON transactions (block_number, transaction_index);
CREATE INDEX transactions_by_hash ON transactions (hash);
CREATE INDEX transactions_by_sender ON transactions (from_address);
CREATE INDEX transactions_by_recipient ON transactions (to_address) WHERE to_address IS NOT NULL;
CREATE INDEX transactions_by_contract ON transactions (contract_address) WHERE contract_address IS NOT NULL;

CREATE TABLE logs (
    id                INTEGER PRIMARY KEY,                         -- block number << 24 | log index
    block_number      INTEGER NOT NULL CHECK (block_number = id >> 24),
    log_index         INTEGER NOT NULL CHECK (log_index = id & 16777215),
    transaction_index INTEGER NOT NULL,
    address           BLOB    NOT NULL CHECK (length(address) = 20),
    topic0            BLOB    CHECK (length(topic0) = 32),
    topic1            BLOB    CHECK (length(topic1) = 32),
    topic2            BLOB    CHECK (length(topic2) = 32),
    topic3            BLOB    CHECK (length(topic3) = 32),
    data              BLOB    NOT NULL,
    shape             INTEGER NOT NULL,
    extra             TEXT,                                        -- JSON
    topic0_start      BLOB    AS (substr(topic0, 1, 4)) VIRTUAL    -- the first 4 bytes of topic0
) STRICT;

-- The number before the topic lets one index serve a range of blocks with and
-- without a topic, of which four bytes are enough to pass by nearly all other
-- logs of an address.
CREATE INDEX logs_by_address ON logs (address, block_number, topic0_start);
CREATE INDEX logs_by_block ON logs (block_number);
CREATE INDEX logs_by_topic ON logs (topic0) WHERE topic0 IS NOT NULL;

CREATE TABLE withdrawals (
    block_number     INTEGER NOT NULL,
    position         INTEGER NOT NULL,                           -- in the block
    withdrawal_index INTEGER NOT NULL,                           -- of the whole chain
    validator_index  INTEGER NOT NULL,
    address          BLOB    NOT NULL CHECK (length(address) = 20),
    amount           INTEGER NOT NULL,                           -- gwei
    shape            INTEGER NOT NULL,
    extra            TEXT,                                       -- JSON
    PRIMARY KEY (block_number, position)
) STRICT, WITHOUT ROWID;

-- Token transfers, one row each, as the logs tell them.
CREATE TABLE transfers (
    block_number      INTEGER NOT NULL,
    log_index         INTEGER NOT NULL,                                -- in the block
    batch_index       INTEGER NOT NULL,                                -- position in an ERC-1155 batch, else 0
    transaction_index INTEGER NOT NULL,
    standard          INTEGER NOT NULL CHECK (standard IN (20, 721, 1155)),
    token             BLOB    NOT NULL CHECK (length(token) = 20),     -- contract
    from_address      BLOB    NOT NULL CHECK (length(from_address) = 20),
    to_address        BLOB    NOT NULL CHECK (length(to_address) = 20),
    token_id          TEXT,                                            -- decimal; NULL for ERC-20
    amount            TEXT    NOT NULL,                                -- decimal, in the token's smallest unit; 1 for ERC-721
    amount_real       REAL    AS (CAST(amount AS REAL)) VIRTUAL,       -- for sorting; exact sums: decimal_sum(amount)
    PRIMARY KEY (block_number, log_index, batch_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX transfers_by_token ON transfers (token);
CREATE INDEX transfers_by_sender ON transfers (from_address);
CREATE INDEX transfers_by_recipient ON transfers (to_address);

-- Every block number from chain.start_block to the highest in either table is
-- in exactly one of blocks and failed_blocks.
CREATE TABLE failed_blocks (
    block_number    INTEGER PRIMARY KEY CHECK (block_number >= 0),
    error_class     TEXT    NOT NULL,
    error_message   TEXT    NOT NULL,
    retry_count     INTEGER NOT NULL CHECK (retry_count >= 0),  -- tries made
    first_failed_at INTEGER NOT NULL,                           -- unix milliseconds
    last_failed_at  INTEGER NOT NULL,                           -- unix milliseconds
    next_retry_at   INTEGER,                                    -- unix milliseconds; NULL if skipped
    skipped_at      INTEGER,                                    -- unix milliseconds
    skip_reason     TEXT,
    CHECK ((next_retry_at IS NULL) = (skipped_at IS NOT NULL)),
    CHECK ((skip_reason IS NULL) = (skipped_at IS NULL))
) STRICT;

-- Checks that can't be computed on this chain, as blocks that fail alike have
-- shown. What is not named here fails.
CREATE TABLE exemptions (
    check_bit  INTEGER NOT NULL,                           -- as in blocks.checks_passed
    about      TEXT    NOT NULL,                           -- a transaction type, a key, or what objects lack; empty for all
    from_block INTEGER NOT NULL CHECK (from_block >= 0),   -- the lowest block that it holds for; it holds for block 0 too
    decided_at INTEGER NOT NULL,                           -- unix milliseconds
    PRIMARY KEY (check_bit, about)
) STRICT, WITHOUT ROWID;

-- What happened to this file: a row for each run of blocks that a commit added, and for each other thing. Of the rows about
-- blocks all but the newest 100,000 are merged where they follow on from each other; the last one's seq stands for all. Of what
-- was pruned one row, the newest, says all that ever was.
CREATE TABLE journal (
    seq         INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('blocks', 'failed', 'filled', 'reorg', 'reset', 'pruned')),
    at          INTEGER NOT NULL,    -- unix milliseconds
    first_block INTEGER NOT NULL,
    last_block  INTEGER NOT NULL,
    detail      TEXT                 -- JSON
) STRICT;

CREATE INDEX journal_by_kind ON journal (kind, seq);

-- The same with hashes and addresses as text, with the transaction and the time.

CREATE VIEW blocks_hex AS
SELECT number, '0x' || lower(hex(hash)) AS hash, '0x' || lower(hex(parent_hash)) AS parent_hash,
       datetime(timestamp, 'unixepoch') AS time, '0x' || lower(hex(miner)) AS miner,
       gas_used, gas_limit, base_fee_per_gas, transaction_count, log_count, size
FROM blocks;

CREATE VIEW transactions_hex AS
SELECT t.block_number, t.transaction_index, '0x' || lower(hex(t.hash)) AS hash, datetime(b.timestamp, 'unixepoch') AS time, t.type,
       '0x' || lower(hex(t.from_address)) AS from_address,
       CASE WHEN t.to_address IS NOT NULL THEN '0x' || lower(hex(t.to_address)) END AS to_address,
       t.nonce, t.value, t.gas, t.gas_used, t.effective_gas_price, t.status,
       CASE WHEN t.contract_address IS NOT NULL THEN '0x' || lower(hex(t.contract_address)) END AS contract_address,
       t.log_count, '0x' || lower(hex(t.input)) AS input
FROM transactions t
JOIN blocks b ON b.number = +t.block_number;

CREATE VIEW logs_hex AS
SELECT l.block_number, l.log_index, l.transaction_index, '0x' || lower(hex(t.hash)) AS transaction_hash,
       datetime(b.timestamp, 'unixepoch') AS time, '0x' || lower(hex(l.address)) AS address,
       CASE WHEN l.topic0 IS NOT NULL THEN '0x' || lower(hex(l.topic0)) END AS topic0,
       CASE WHEN l.topic1 IS NOT NULL THEN '0x' || lower(hex(l.topic1)) END AS topic1,
       CASE WHEN l.topic2 IS NOT NULL THEN '0x' || lower(hex(l.topic2)) END AS topic2,
       CASE WHEN l.topic3 IS NOT NULL THEN '0x' || lower(hex(l.topic3)) END AS topic3,
       '0x' || lower(hex(l.data)) AS data
FROM logs l
JOIN transactions t ON t.id = (l.block_number << 24) + l.transaction_index
JOIN blocks b ON b.number = +l.block_number;

CREATE VIEW transfers_hex AS
SELECT f.block_number, f.log_index, f.batch_index, f.transaction_index, '0x' || lower(hex(t.hash)) AS transaction_hash,
       datetime(b.timestamp, 'unixepoch') AS time, f.standard,
       '0x' || lower(hex(f.token)) AS token, '0x' || lower(hex(f.from_address)) AS from_address,
       '0x' || lower(hex(f.to_address)) AS to_address, f.token_id, f.amount
FROM transfers f
JOIN transactions t ON t.id = (f.block_number << 24) + f.transaction_index
JOIN blocks b ON b.number = +f.block_number;

CREATE VIEW missing AS
SELECT block_number, error_class, error_message, retry_count,
       datetime(first_failed_at / 1000, 'unixepoch') AS first_failed_at,
       datetime(last_failed_at / 1000, 'unixepoch') AS last_failed_at,
       datetime(next_retry_at / 1000, 'unixepoch') AS next_retry_at, skip_reason
FROM failed_blocks;

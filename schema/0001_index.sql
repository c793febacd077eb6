-- The index of one chain. Hashes, addresses and data are BLOBs; quantities of
-- 256 bits are decimal TEXT without leading zeros; times are unix milliseconds
-- unless a comment says otherwise. Rows inside a block have
-- id = block number << 24 | position in the block.

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
    safe_hash        BLOB    CHECK (length(safe_hash) = 32)
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

CREATE TABLE uncles (
    id                       INTEGER PRIMARY KEY,                                 -- block number << 24 | position
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
    extra                    TEXT                                                 -- JSON
) STRICT;

-- A transaction with its receipt.
CREATE TABLE transactions (
    id                       INTEGER PRIMARY KEY,                                 -- block number << 24 | transaction index
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
    block_number             INTEGER AS (id >> 24) VIRTUAL,
    transaction_index        INTEGER AS (id & 16777215) VIRTUAL,
    value_real               REAL    AS (CAST(value AS REAL)) VIRTUAL             -- wei, for sorting; exact sums: decimal_sum(value)
) STRICT;

CREATE INDEX transactions_by_hash ON transactions (hash);
CREATE INDEX transactions_by_sender ON transactions (from_address);
CREATE INDEX transactions_by_recipient ON transactions (to_address) WHERE to_address IS NOT NULL;
CREATE INDEX transactions_by_contract ON transactions (contract_address) WHERE contract_address IS NOT NULL;

CREATE TABLE logs (
    id                INTEGER PRIMARY KEY,                         -- block number << 24 | log index
    transaction_index INTEGER NOT NULL,
    address           BLOB    NOT NULL CHECK (length(address) = 20),
    topic0            BLOB    CHECK (length(topic0) = 32),
    topic1            BLOB    CHECK (length(topic1) = 32),
    topic2            BLOB    CHECK (length(topic2) = 32),
    topic3            BLOB    CHECK (length(topic3) = 32),
    data              BLOB    NOT NULL,
    shape             INTEGER NOT NULL,
    extra             TEXT,                                        -- JSON
    block_number      INTEGER AS (id >> 24) VIRTUAL,
    log_index         INTEGER AS (id & 16777215) VIRTUAL
) STRICT;

-- The id before the topic lets one index serve a range of blocks with and
-- without a topic.
CREATE INDEX logs_by_address ON logs (address, id, topic0);
CREATE INDEX logs_by_topic ON logs (topic0) WHERE topic0 IS NOT NULL;

CREATE TABLE withdrawals (
    id              INTEGER PRIMARY KEY,                         -- block number << 24 | position
    withdrawal_index INTEGER NOT NULL,                          -- of the whole chain
    validator_index INTEGER NOT NULL,
    address         BLOB    NOT NULL CHECK (length(address) = 20),
    amount          INTEGER NOT NULL,                            -- gwei
    shape           INTEGER NOT NULL,
    extra           TEXT,                                        -- JSON
    block_number    INTEGER AS (id >> 24) VIRTUAL
) STRICT;

-- Token transfers, one row each, as the logs tell them.
CREATE TABLE transfers (
    log_id       INTEGER NOT NULL,                                -- id of the log
    batch_index  INTEGER NOT NULL,                                -- position in an ERC-1155 batch, else 0
    standard     INTEGER NOT NULL CHECK (standard IN (20, 721, 1155)),
    token        BLOB    NOT NULL CHECK (length(token) = 20),     -- contract
    from_address BLOB    NOT NULL CHECK (length(from_address) = 20),
    to_address   BLOB    NOT NULL CHECK (length(to_address) = 20),
    token_id     TEXT,                                            -- decimal; NULL for ERC-20
    amount       TEXT    NOT NULL,                                -- decimal, in the token's smallest unit; 1 for ERC-721
    block_number INTEGER AS (log_id >> 24) VIRTUAL,
    amount_real  REAL    AS (CAST(amount AS REAL)) VIRTUAL,       -- for sorting; exact sums: decimal_sum(amount)
    PRIMARY KEY (log_id, batch_index)
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

-- What happened to this file: a row for each run of blocks that a commit added, and for each other thing. Of the rows about
-- blocks all but the newest 100,000 are merged where they follow on from each other; the last one's seq stands for all.
CREATE TABLE journal (
    seq         INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('blocks', 'failed', 'filled', 'reorg', 'reset')),
    at          INTEGER NOT NULL,    -- unix milliseconds
    first_block INTEGER NOT NULL,
    last_block  INTEGER NOT NULL,
    detail      TEXT                 -- JSON
) STRICT;

CREATE INDEX journal_by_kind ON journal (kind, seq);

-- The same with hashes and addresses as text.

CREATE VIEW blocks_hex AS
SELECT number, '0x' || lower(hex(hash)) AS hash, '0x' || lower(hex(parent_hash)) AS parent_hash,
       datetime(timestamp, 'unixepoch') AS time, '0x' || lower(hex(miner)) AS miner,
       gas_used, gas_limit, base_fee_per_gas, transaction_count, log_count, size
FROM blocks;

CREATE VIEW transactions_hex AS
SELECT block_number, transaction_index, '0x' || lower(hex(hash)) AS hash, type,
       '0x' || lower(hex(from_address)) AS from_address,
       CASE WHEN to_address IS NOT NULL THEN '0x' || lower(hex(to_address)) END AS to_address,
       nonce, value, gas, gas_used, effective_gas_price, status,
       CASE WHEN contract_address IS NOT NULL THEN '0x' || lower(hex(contract_address)) END AS contract_address,
       log_count, '0x' || lower(hex(input)) AS input
FROM transactions;

CREATE VIEW logs_hex AS
SELECT block_number, log_index, transaction_index, '0x' || lower(hex(address)) AS address,
       CASE WHEN topic0 IS NOT NULL THEN '0x' || lower(hex(topic0)) END AS topic0,
       CASE WHEN topic1 IS NOT NULL THEN '0x' || lower(hex(topic1)) END AS topic1,
       CASE WHEN topic2 IS NOT NULL THEN '0x' || lower(hex(topic2)) END AS topic2,
       CASE WHEN topic3 IS NOT NULL THEN '0x' || lower(hex(topic3)) END AS topic3,
       '0x' || lower(hex(data)) AS data
FROM logs;

CREATE VIEW transfers_hex AS
SELECT block_number, log_id & 16777215 AS log_index, batch_index, standard,
       '0x' || lower(hex(token)) AS token, '0x' || lower(hex(from_address)) AS from_address,
       '0x' || lower(hex(to_address)) AS to_address, token_id, amount
FROM transfers;

CREATE VIEW missing AS
SELECT block_number, error_class, error_message, retry_count,
       datetime(first_failed_at / 1000, 'unixepoch') AS first_failed_at,
       datetime(last_failed_at / 1000, 'unixepoch') AS last_failed_at,
       datetime(next_retry_at / 1000, 'unixepoch') AS next_retry_at, skip_reason
FROM failed_blocks;

-- Token transfers have an id as all other rows inside a block do: SQLite packs a
-- table that grows by rowid tightly, and its indexes are smaller
-- (https://sqlite.org/withoutrowid.html).

CREATE TABLE transfers_with_id (
    id           INTEGER PRIMARY KEY,                             -- block number << 24 | position among the transfers of the block
    log_index    INTEGER NOT NULL,                                -- in the block
    batch_index  INTEGER NOT NULL,                                -- position in an ERC-1155 batch, else 0
    standard     INTEGER NOT NULL CHECK (standard IN (20, 721, 1155)),
    token        BLOB    NOT NULL CHECK (length(token) = 20),     -- contract
    from_address BLOB    NOT NULL CHECK (length(from_address) = 20),
    to_address   BLOB    NOT NULL CHECK (length(to_address) = 20),
    token_id     TEXT,                                            -- decimal; NULL for ERC-20
    amount       TEXT    NOT NULL,                                -- decimal, in the token's smallest unit; 1 for ERC-721
    block_number INTEGER AS (id >> 24) VIRTUAL,
    log_id       INTEGER AS ((id >> 24 << 24) + log_index) VIRTUAL, -- id of the log; to look for it, give the range of id too
    amount_real  REAL    AS (CAST(amount AS REAL)) VIRTUAL        -- for sorting; exact sums: decimal_sum(amount)
) STRICT;

INSERT INTO transfers_with_id (id, log_index, batch_index, standard, token, from_address, to_address, token_id, amount)
SELECT (log_id >> 24 << 24) + row_number() OVER (PARTITION BY log_id >> 24 ORDER BY log_id, batch_index) - 1,
       log_id & 16777215, batch_index, standard, token, from_address, to_address, token_id, amount
FROM transfers;

DROP TABLE transfers;
ALTER TABLE transfers_with_id RENAME TO transfers;

CREATE INDEX transfers_by_token ON transfers (token);
CREATE INDEX transfers_by_sender ON transfers (from_address);
CREATE INDEX transfers_by_recipient ON transfers (to_address);

-- Of the first topic, four bytes are enough to pass by nearly all other logs of
-- an address.

ALTER TABLE logs ADD COLUMN topic0_start BLOB /* the first 4 bytes of topic0 */ AS (substr(topic0, 1, 4)) VIRTUAL;

DROP INDEX IF EXISTS logs_by_address;
CREATE INDEX logs_by_address ON logs (address, id, topic0_start);

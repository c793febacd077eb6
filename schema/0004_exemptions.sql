-- Checks that can't be computed on this chain, as blocks that fail alike have
-- shown. What is not named here fails.

CREATE TABLE exemptions (
    check_bit  INTEGER NOT NULL,                           -- as in blocks.checks_passed
    about      TEXT    NOT NULL,                           -- a transaction type, a key, or what objects lack; empty for all
    from_block INTEGER NOT NULL CHECK (from_block >= 0),   -- the lowest block that it holds for; it holds for block 0 too
    decided_at INTEGER NOT NULL,                           -- unix milliseconds
    PRIMARY KEY (check_bit, about)
) STRICT, WITHOUT ROWID;

-- Blocks of which not all that was checked has passed.
CREATE INDEX blocks_by_unproved ON blocks (checks_not_computable, checks_failed) WHERE checks_not_computable <> 0 OR checks_failed <> 0;

ALTER TABLE chain ADD COLUMN wrong_allowed_at INTEGER /* unix milliseconds, since when blocks are stored though a check failed (verify level warn); NULL if they never were */;

UPDATE chain SET wrong_allowed_at = created_at WHERE EXISTS (SELECT 1 FROM blocks WHERE checks_failed <> 0);

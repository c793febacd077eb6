-- The journal tells of what was pruned too: one row, the newest, says all that
-- ever was. SQLite can't change a CHECK: the table is made anew
-- (https://sqlite.org/lang_altertable.html#otheralter).

CREATE TABLE journal_with_pruned (
    seq         INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('blocks', 'failed', 'filled', 'reorg', 'reset', 'pruned')),
    at          INTEGER NOT NULL,    -- unix milliseconds
    first_block INTEGER NOT NULL,
    last_block  INTEGER NOT NULL,
    detail      TEXT                 -- JSON
) STRICT;

INSERT INTO journal_with_pruned (seq, kind, at, first_block, last_block, detail)
SELECT seq, kind, at, first_block, last_block, detail FROM journal;

DROP TABLE journal;
ALTER TABLE journal_with_pruned RENAME TO journal;

CREATE INDEX journal_by_kind ON journal (kind, seq);

-- Up to where journals were archived; a shard of which nothing was has no row. See `archive.rs`.

CREATE TABLE archived (
    domain    INTEGER NOT NULL,
    shard     INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    -- What happened before was archived.
    before_ms INTEGER NOT NULL,
    PRIMARY KEY (domain, shard)
) WITHOUT ROWID;

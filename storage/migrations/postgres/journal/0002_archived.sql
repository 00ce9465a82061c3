-- Up to where journals were archived; a shard of which nothing was has no row.

CREATE TABLE archived (
    shard     smallint PRIMARY KEY,
    position  bigint NOT NULL,
    -- What happened before was archived.
    before_ms bigint NOT NULL
);

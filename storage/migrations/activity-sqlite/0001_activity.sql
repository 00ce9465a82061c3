-- The activity log and how far it has come with each source.

CREATE TABLE activity (
    id            INTEGER PRIMARY KEY,
    -- NULL for what a node says of itself.
    source_domain INTEGER,
    source_shard  INTEGER,
    position      INTEGER,
    time_ms       INTEGER NOT NULL,
    level         TEXT    NOT NULL,
    service       TEXT    NOT NULL,
    event_type    TEXT    NOT NULL,
    order_id      INTEGER,
    message       TEXT    NOT NULL,
    -- The message in lower case where SQLite's own lower(), which knows ASCII only, does not give it.
    folded        TEXT
);

CREATE UNIQUE INDEX activity_source ON activity (source_domain, source_shard, position)
    WHERE source_domain IS NOT NULL;
CREATE INDEX activity_order ON activity (order_id) WHERE order_id IS NOT NULL;
-- The few entries that deserve attention are found without reading the many that do not.
CREATE INDEX activity_alarm ON activity (level, id) WHERE level <> 'info';

CREATE TABLE watermark (
    source_domain INTEGER NOT NULL,
    source_shard  INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (source_domain, source_shard)
) WITHOUT ROWID;

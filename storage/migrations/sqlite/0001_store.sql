-- Journals, heads, read models, keys, credentials and parked commands.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE journal (
    domain       INTEGER NOT NULL,
    shard        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    aggregate_id INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    time_ms      INTEGER NOT NULL,
    event_type   TEXT    NOT NULL,
    payload      BLOB    NOT NULL,
    -- Its places on inbox links, `,domain/shard:prev,domain/shard:prev,`, so that `,3/1:` finds one target exactly.
    links        TEXT,
    PRIMARY KEY (domain, shard, position)
) WITHOUT ROWID;

-- The history of an order; no other aggregate's history is asked for.
CREATE INDEX journal_order ON journal (aggregate_id, seq) WHERE domain = 2;

CREATE TABLE head (
    domain        INTEGER NOT NULL,
    shard         INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    owner         TEXT    NOT NULL,
    last_position INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    last_id       INTEGER NOT NULL,
    PRIMARY KEY (domain, shard)
) WITHOUT ROWID;

-- What a shard has sent to a peer, and what it has applied from it.
CREATE TABLE link (
    domain      INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    peer_domain INTEGER NOT NULL,
    peer_shard  INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    watermark   INTEGER NOT NULL,
    PRIMARY KEY (domain, shard, peer_domain, peer_shard)
) WITHOUT ROWID;

CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    shard       INTEGER NOT NULL,
    -- Orders of a shard that were placed one after the other share an era, see `eras.rs`.
    era         INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    -- NULL once it is settled.
    deadline_ms INTEGER,
    version     INTEGER NOT NULL,
    state       BLOB    NOT NULL
);

CREATE INDEX orders_user ON orders (shard, era, user_id, id);
CREATE INDEX orders_unsettled ON orders (shard, deadline_ms) WHERE deadline_ms IS NOT NULL;
-- Most orders are confirmed and are found without an index; the few others are not.
CREATE INDEX orders_refused ON orders (status, id) WHERE deadline_ms IS NULL AND status <> 'confirmed';

CREATE TABLE products (
    id            INTEGER PRIMARY KEY,
    sku           TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    -- SKU and name in lower case, for the search; SQLite's own lower() knows ASCII only.
    folded        TEXT    NOT NULL,
    available     INTEGER NOT NULL,
    allocated     INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    state         BLOB    NOT NULL
);

CREATE INDEX products_created ON products (created_at_ms, id);

CREATE TABLE users (
    id           INTEGER PRIMARY KEY,
    username_key TEXT    NOT NULL UNIQUE,
    role         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    state        BLOB    NOT NULL
);

CREATE INDEX users_admin ON users (id) WHERE role = 'admin';

CREATE TABLE credentials (
    user_id       INTEGER PRIMARY KEY,
    password_hash TEXT NOT NULL
);

CREATE TABLE notifications (
    id       INTEGER PRIMARY KEY,
    era      INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    user_id  INTEGER NOT NULL,
    template TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    state    BLOB    NOT NULL,
    UNIQUE (order_id, template)
);

CREATE INDEX notifications_user ON notifications (era, user_id, id);

CREATE TABLE keys (
    domain        INTEGER NOT NULL,
    text          TEXT    NOT NULL,
    shard         INTEGER NOT NULL,
    aggregate_id  INTEGER NOT NULL,
    fingerprint   BLOB    NOT NULL,
    taken_at_ms   INTEGER NOT NULL,
    -- NULL if it is taken for ever.
    expires_at_ms INTEGER,
    PRIMARY KEY (domain, text)
) WITHOUT ROWID;

CREATE INDEX keys_expiry ON keys (domain, expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE parked (
    domain          INTEGER NOT NULL,
    shard           INTEGER NOT NULL,
    id              INTEGER NOT NULL,
    parked_at_ms    INTEGER NOT NULL,
    source_domain   INTEGER NOT NULL,
    source_shard    INTEGER NOT NULL,
    source_position INTEGER NOT NULL,
    aggregate_id    INTEGER NOT NULL,
    order_id        INTEGER,
    event_type      TEXT    NOT NULL,
    payload         BLOB    NOT NULL,
    error           TEXT    NOT NULL,
    PRIMARY KEY (domain, shard, id)
);

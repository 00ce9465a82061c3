-- What every domain has: journal, heads, links, keys, parked commands, incarnations, cursors of the publisher. Domains of
-- other shards are kept by their code: 1 auth, 2 orders, 3 products, 4 payments, 5 notifications, 6 logs.
--
-- Texts that are compared byte by byte have the collation "C": an index of theirs does not depend on the locales of the
-- machine, which change with its updates.

-- To which cluster the schema belongs.
CREATE TABLE meta (
    key   text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE journal (
    shard        smallint NOT NULL,
    position     bigint   NOT NULL,
    aggregate_id bigint   NOT NULL,
    seq          bigint   NOT NULL,
    time_ms      bigint   NOT NULL,
    event_type   text     NOT NULL,
    payload      bytea    NOT NULL,
    -- Its places on inbox links, `,domain/shard:prev,domain/shard:prev,`, so that `,3/1:` finds one target exactly.
    -- There is no index on them: what a target misses lies between its watermark and the last position sent to it,
    -- mostly nothing, and every record would pay for the index.
    links        text,
    -- The request it goes back to: 16 bytes of trace, 8 of span.
    trace        bytea,
    PRIMARY KEY (shard, position)
) WITH (
    -- It only grows, so it is vacuumed for its visibility map and its old transaction ids alone.
    autovacuum_vacuum_insert_scale_factor = 0.1
);

-- Heads and links are a few pages that every transaction changes. With half of a page free and no index on what changes, a new version
-- of a row finds room beside the old one, and the old ones are pruned by the next who comes by. Vacuum only helps.
CREATE TABLE head (
    shard         smallint PRIMARY KEY,
    epoch         bigint NOT NULL,
    -- NULL while nobody serves it.
    owner         text,
    last_position bigint NOT NULL,
    revision      bigint NOT NULL,
    last_id       bigint NOT NULL
) WITH (
    fillfactor = 20,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

-- What a shard has sent to a peer, and what it has applied from it.
CREATE TABLE link (
    shard       smallint NOT NULL,
    peer_domain smallint NOT NULL,
    peer_shard  smallint NOT NULL,
    sent        bigint   NOT NULL,
    watermark   bigint   NOT NULL,
    PRIMARY KEY (shard, peer_domain, peer_shard)
) WITH (
    fillfactor = 40,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE keys (
    text          text COLLATE "C" PRIMARY KEY,
    shard         smallint NOT NULL,
    aggregate_id  bigint   NOT NULL,
    fingerprint   bytea    NOT NULL,
    taken_at_ms   bigint   NOT NULL,
    -- NULL if it is taken for ever.
    expires_at_ms bigint
);

CREATE INDEX keys_expiry ON keys (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE parked (
    shard           smallint NOT NULL,
    id              bigint   NOT NULL,
    parked_at_ms    bigint   NOT NULL,
    source_domain   smallint NOT NULL,
    source_shard    smallint NOT NULL,
    source_position bigint   NOT NULL,
    aggregate_id    bigint   NOT NULL,
    order_id        bigint,
    event_type      text     NOT NULL,
    payload         bytea    NOT NULL,
    error           text     NOT NULL,
    PRIMARY KEY (shard, id)
);

-- In which life of the database a record was written: that of the row with the largest first position up to its own.
CREATE TABLE incarnation (
    shard          smallint NOT NULL,
    first_position bigint   NOT NULL,
    incarnation    text     NOT NULL,
    PRIMARY KEY (shard, first_position)
);

-- Records that others have seen and that a restore has made the journal forget, as `stampede recover` found them.
CREATE TABLE lost_event (
    shard        smallint    NOT NULL,
    incarnation  text COLLATE "C" NOT NULL,
    position     bigint      NOT NULL,
    aggregate_id bigint      NOT NULL,
    time_ms      bigint      NOT NULL,
    event_type   text        NOT NULL,
    payload      bytea       NOT NULL,
    found_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, incarnation, position)
);

-- How far the publisher of a shard has come with each family of topics.
CREATE TABLE published (
    shard  smallint PRIMARY KEY,
    public bigint NOT NULL,
    inbox  bigint NOT NULL
) WITH (
    fillfactor = 20,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);

-- Ends the statement, and with it the transaction, unless what it rests on is so.
CREATE FUNCTION require(met boolean, code text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF met THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'what the transaction rests on is not so' USING ERRCODE = code;
END
$$;

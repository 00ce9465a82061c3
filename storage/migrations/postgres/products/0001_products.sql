-- Products as they are now. A few of them change all the time, while what their indexes hold never does: half of a page
-- stays free, so that the new version of a row stands beside the old one and no index hears of it.

CREATE TABLE products (
    id            bigint PRIMARY KEY,
    sku           text COLLATE "C" NOT NULL UNIQUE,
    name          text   NOT NULL,
    -- SKU and name in lower case, for the search.
    folded        text   NOT NULL,
    available     bigint NOT NULL,
    allocated     bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    version       bigint NOT NULL,
    state         bytea  NOT NULL
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX products_created ON products (created_at_ms, id);

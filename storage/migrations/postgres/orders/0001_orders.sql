-- Orders as they are now, and the way to their histories.

CREATE TABLE orders (
    id          bigint   PRIMARY KEY,
    shard       smallint NOT NULL,
    user_id     bigint   NOT NULL,
    status      text     NOT NULL,
    -- NULL once it is settled.
    deadline_ms bigint,
    version     bigint   NOT NULL,
    state       bytea    NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX orders_user ON orders (user_id, id);
CREATE INDEX orders_unsettled ON orders (shard, deadline_ms) WHERE deadline_ms IS NOT NULL;
-- Most orders are confirmed and are found without an index; the few others are not.
CREATE INDEX orders_refused ON orders (status, id) WHERE deadline_ms IS NULL AND status <> 'confirmed';

-- The history of an order; no other aggregate's history is asked for.
CREATE INDEX journal_order ON journal (aggregate_id, seq);

-- An order in one statement as it would be without shards: positions and ids come from sequences and nobody waits for a
-- head. It writes less than Stampede does, and is here to show what the heads cost.
\set user random(1, 64)
\set product random(1, :products)
\set order_shard 100 + :user % :shards
\set product_shard 100 + :product % :shards
WITH numbers AS MATERIALIZED (
    SELECT nextval('compare.orders') AS id, nextval('compare.positions') AS position
), product AS (
    UPDATE products.products
    SET available = available - 1, allocated = allocated + 1, version = version + 1, state = :product_state::bytea
    WHERE id = :product AND available >= 1
    RETURNING id, version
), records_of_order AS (
    INSERT INTO orders.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT :order_shard::smallint, 2 * position, id, 1, :now::bigint, 'order.created.v1', :created::bytea,
        ',3/12:' || position || ','
    FROM numbers
    UNION ALL
    SELECT :order_shard::smallint, 2 * position + 1, id, 2, :now::bigint, 'order.confirmed.v1', :confirmed::bytea, NULL
    FROM numbers
), record_of_product AS (
    INSERT INTO products.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT :product_shard::smallint, position, product.id, product.version, :now::bigint, 'stock.reserved.v1',
        :reserved::bytea, ',2/12:' || position || ','
    FROM numbers, product
)
INSERT INTO orders.orders (id, shard, user_id, status, deadline_ms, version, state)
SELECT id, :order_shard::smallint, :user, 'confirmed', NULL, 2, :order_state::bytea
FROM numbers;

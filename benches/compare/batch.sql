-- A hundred orders in one transaction and one statement, as a writer of Stampede's puts them together: the ceiling. Each
-- client has a shard to itself and chooses among the products of that shard, so that none waits for another.
\set first random(1, 1000)
\set products_of_shard :products / :shards
WITH head_of_orders AS (
    UPDATE orders.head
    SET last_position = last_position + 200, revision = revision + 1, last_id = last_id + 100
    WHERE shard = :client_id AND epoch = 1
    RETURNING shard, last_position - 200 AS position, last_id - 100 AS id
), head_of_products AS (
    UPDATE products.head
    SET last_position = last_position + 100, revision = revision + 1
    WHERE shard = :client_id AND epoch = 1
    RETURNING shard, last_position - 100 AS position
), placed AS (
    SELECT nth, (1 + (:first::int + nth) % :products_of_shard::int) * :shards::int + :client_id::int AS product
    FROM generate_series(1, 100) AS nth
), sold AS (
    SELECT product, count(*) AS pieces FROM placed GROUP BY product
), product AS (
    UPDATE products.products AS kept
    SET available = available - pieces, allocated = allocated + pieces, version = version + pieces,
        state = :product_state::bytea
    FROM sold WHERE kept.id = sold.product AND available >= pieces
    RETURNING id, version
), records_of_orders AS (
    INSERT INTO orders.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT shard, position + 2 * nth - 1, id + nth, 1, :now::bigint, 'order.created.v1', :created::bytea,
        ',3/12:' || position || ','
    FROM head_of_orders, placed
    UNION ALL
    SELECT shard, position + 2 * nth, id + nth, 2, :now::bigint, 'order.confirmed.v1', :confirmed::bytea, NULL
    FROM head_of_orders, placed
), records_of_products AS (
    INSERT INTO products.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT head.shard, head.position + nth, placed.product, product.version, :now::bigint, 'stock.reserved.v1',
        :reserved::bytea, ',2/12:' || head.position || ','
    FROM head_of_products AS head, placed JOIN product ON product.id = placed.product
)
INSERT INTO orders.orders (id, shard, user_id, status, deadline_ms, version, state)
SELECT id + nth, shard, 1 + nth % 64, 'confirmed', NULL, 2, :order_state::bytea
FROM head_of_orders, placed;

-- An order in one statement and so in one round trip: what PostgreSQL gives at best for a transaction per order.
--
-- It writes what Stampede's order path writes, with the sizes it has: the order, its two records, the record of its
-- product, the product, and the heads of both shards. Every transaction locks the head of the order's shard first, then
-- the product, then the head of the product's shard, so that none waits for another in a circle.
\set user random(1, 64)
\set product random(1, :products)
\set order_shard :user % :shards
\set product_shard :product % :shards
WITH head_of_order AS (
    UPDATE orders.head
    SET last_position = last_position + 2, revision = revision + 1, last_id = last_id + 1
    WHERE shard = :order_shard AND epoch = 1
    RETURNING shard, last_position AS position, last_id AS id
), product AS (
    UPDATE products.products
    SET available = available - 1, allocated = allocated + 1, version = version + 1, state = :product_state::bytea
    WHERE id = :product AND available >= 1
    RETURNING id, version
), head_of_product AS (
    UPDATE products.head
    SET last_position = last_position + 1, revision = revision + 1
    WHERE shard = :product_shard AND epoch = 1
    RETURNING shard, last_position AS position
), records_of_order AS (
    INSERT INTO orders.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT shard, position - 1, id, 1, :now::bigint, 'order.created.v1', :created::bytea, ',3/12:' || position || ','
    FROM head_of_order
    UNION ALL
    SELECT shard, position, id, 2, :now::bigint, 'order.confirmed.v1', :confirmed::bytea, NULL
    FROM head_of_order
), record_of_product AS (
    INSERT INTO products.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
    SELECT head.shard, head.position, product.id, product.version, :now::bigint, 'stock.reserved.v1', :reserved::bytea,
        ',2/12:' || head.position || ','
    FROM head_of_product AS head, product
)
INSERT INTO orders.orders (id, shard, user_id, status, deadline_ms, version, state)
SELECT id, shard, :user, 'confirmed', NULL, 2, :order_state::bytea
FROM head_of_order;

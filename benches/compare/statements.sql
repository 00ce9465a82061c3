-- The same order as programs are mostly written: a transaction of some statements. What is contended comes last.
\set user random(1, 64)
\set product random(1, :products)
\set order_shard :user % :shards
\set product_shard :product % :shards
BEGIN;
UPDATE orders.head SET last_position = last_position + 2, revision = revision + 1, last_id = last_id + 1
WHERE shard = :order_shard AND epoch = 1
RETURNING last_position AS position, last_id AS id \gset order_
INSERT INTO orders.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
VALUES (:order_shard, :order_position - 1, :order_id, 1, :now::bigint, 'order.created.v1', :created::bytea, ',3/12:1234567,'),
    (:order_shard, :order_position, :order_id, 2, :now::bigint, 'order.confirmed.v1', :confirmed::bytea, NULL);
INSERT INTO orders.orders (id, shard, user_id, status, deadline_ms, version, state)
VALUES (:order_id, :order_shard, :user, 'confirmed', NULL, 2, :order_state::bytea);
UPDATE products.products
SET available = available - 1, allocated = allocated + 1, version = version + 1, state = :product_state::bytea
WHERE id = :product AND available >= 1
RETURNING version \gset product_
UPDATE products.head SET last_position = last_position + 1, revision = revision + 1
WHERE shard = :product_shard AND epoch = 1
RETURNING last_position AS position \gset reserved_
INSERT INTO products.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links)
VALUES (:product_shard, :reserved_position, :product, :product_version, :now::bigint, 'stock.reserved.v1',
    :reserved::bytea, ',2/12:1234567,');
COMMIT;

//! The rows of orders in plain SQL on SQLite, many orders to a transaction: the ceiling of one process.
//!
//! The tables and indexes are Stampede's own, from its migrations, and so are the settings of the file. Statements are
//! prepared once and run by the thread that commits; the activity log, a file of its own, has another. What is left out
//! is all that Stampede does beside SQL: deciding, encoding, and handing rows from thread to thread.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rusqlite::{Connection, Statement, params};

use crate::figures::{self, Round};
use crate::interrupt;
use crate::rows;

const STORE: &str = include_str!("../../storage/migrations/sqlite/0001_store.sql");
const ACTIVITY: &str = include_str!("../../storage/migrations/activity-sqlite/0001_activity.sql");

/// Orders of a transaction: about as many as the engine's writer gathers under load.
const BATCH: i64 = 100;
/// Shards of a domain, as in `up`.
const SHARDS: i64 = 4;
const SHARDS_COUNT: usize = 4;
/// Orders whose rows share an era of the index by user.
const ORDERS_OF_AN_ERA: i64 = 25_000;
/// Pages written after which the log is copied: as much as Stampede lets it grow.
const PAGES_BETWEEN_CHECKPOINTS: u32 = 8_000;
/// Batches that the activity log may be behind. It has a thread of its own, as in Stampede.
const BATCHES_AHEAD: usize = 8;
/// Numbers of domains in the tables.
const ORDERS: i64 = 2;
const PRODUCTS: i64 = 3;
const NOTIFICATIONS: i64 = 5;

/// Which rows are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Those of orders and products: the order, its product, their records and heads.
    OrdersAndProducts,
    /// Also notifications, links and the activity log, as the engine writes them.
    All,
}

/// Measures both extents.
pub(crate) fn measure(
    directory: &Path,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    for (extent, name) in [
        (Extent::OrdersAndProducts, figures::SQLITE_RAW_ORDERS),
        (Extent::All, figures::SQLITE_RAW),
    ] {
        interrupt::check()?;
        let home = tempfile::tempdir_in(directory)?;
        round.say(name, orders_per_second(home.path(), extent, measured)?);
    }
    Ok(())
}

fn open(path: &Path, synchronous: &str, schema: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS};
         {schema}"
    ))?;
    Ok(connection)
}

fn orders_per_second(home: &Path, extent: Extent, measured: Duration) -> anyhow::Result<f64> {
    let store = open(&home.join("store.db"), "FULL", STORE)?;
    let activity = open(&home.join("activity.db"), "NORMAL", ACTIVITY)?;
    fill(&store)?;
    let (committed, to_be_logged) = mpsc::sync_channel(BATCHES_AHEAD);
    thread::scope(|scope| {
        let logging = scope.spawn(move || log(&activity, &to_be_logged));
        let begun = Instant::now();
        let placed = commit(&store, extent, measured, &committed)?;
        drop(committed);
        match logging.join() {
            Ok(logged) => logged?,
            Err(_) => bail!("the activity log panicked"),
        }
        Ok(placed as f64 / begun.elapsed().as_secs_f64())
    })
}

/// Places orders for so long; tells which were committed, to be logged, and returns how many.
fn commit(
    store: &Connection,
    extent: Extent,
    measured: Duration,
    committed: &SyncSender<i64>,
) -> anyhow::Result<i64> {
    let mut rows = StoreRows::new(store)?;
    let (begun, mut placed) = (Instant::now(), 0);
    while begun.elapsed() < measured {
        store.execute_batch("BEGIN")?;
        for nth in placed..placed + BATCH {
            rows.order(nth)?;
            if extent == Extent::All {
                rows.notification(nth)?;
            }
        }
        rows.heads(placed, extent)?;
        store.execute_batch("COMMIT")?;
        if extent == Extent::All {
            committed
                .send(placed)
                .context("the activity log has ended")?;
        }
        placed += BATCH;
    }
    Ok(placed)
}

/// Logs batches as they are committed, beside the next one.
fn log(activity: &Connection, committed: &Receiver<i64>) -> anyhow::Result<()> {
    let mut rows = ActivityRows::new(activity)?;
    for first in committed {
        activity.execute_batch("BEGIN")?;
        for nth in first..first + BATCH {
            rows.of_order(nth)?;
        }
        rows.watermarks(first)?;
        activity.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn fill(store: &Connection) -> anyhow::Result<()> {
    store.execute_batch("BEGIN")?;
    for domain in [ORDERS, PRODUCTS, NOTIFICATIONS] {
        for shard in 0..SHARDS {
            store.execute(
                "INSERT INTO head VALUES (?, ?, 1, 'compare', 0, 0, 0)",
                [domain, shard],
            )?;
        }
    }
    let state = rows::bytes(rows::PRODUCT_STATE_BYTES);
    for id in 1..=i64::try_from(rows::PRODUCTS)? {
        store.execute(
            "INSERT INTO products VALUES (?1, 'LOAD-0123abcd-' || ?1, 'Load ' || ?1, \
             'load-0123abcd-' || ?1 || char(10) || 'load ' || ?1, ?2, 0, ?3, 1, ?4)",
            params![id, rows::STOCK, rows::NOW_MS, state],
        )?;
    }
    store.execute_batch("COMMIT")?;
    Ok(())
}

/// Where the nth order goes.
struct Order {
    id: i64,
    user: i64,
    shard: i64,
    product: i64,
    product_shard: i64,
    /// Among the orders of its shard, from 0.
    in_shard: i64,
}

impl Order {
    fn nth(nth: i64) -> Self {
        let (shard, in_shard) = (nth % SHARDS, nth / SHARDS);
        let product = 1 + (nth.wrapping_mul(0x9e37_79b9) >> 8) % rows::PRODUCTS as i64;
        Self {
            // Seconds, shard and sequence, from high to low, at 4,096 orders a second and shard.
            id: ((60_000_000 + (in_shard >> 12)) << 22) | (shard << 12) | (in_shard & 0xfff),
            user: SHARDS * (1 + nth / 7 % (rows::USERS as i64 / SHARDS)) + shard,
            shard,
            product,
            product_shard: product % SHARDS,
            in_shard,
        }
    }
}

/// The statements of the store.
struct StoreRows<'a> {
    record: Statement<'a>,
    order: Statement<'a>,
    product: Statement<'a>,
    notification: Statement<'a>,
    head: Statement<'a>,
    link: Statement<'a>,
    /// Last positions of the shards of products.
    product_positions: [i64; SHARDS_COUNT],
    created: Vec<u8>,
    confirmed: Vec<u8>,
    reserved: Vec<u8>,
    recorded: Vec<u8>,
    order_state: Vec<u8>,
    product_state: Vec<u8>,
    notification_state: Vec<u8>,
}

impl<'a> StoreRows<'a> {
    fn new(store: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            record: store.prepare(
                "INSERT INTO journal (domain, shard, position, aggregate_id, seq, time_ms, event_type, payload, links) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            order: store.prepare(
                "INSERT INTO orders (id, shard, era, user_id, status, deadline_ms, version, state) \
                 VALUES (?, ?, ?, ?, 'confirmed', NULL, 2, ?)",
            )?,
            product: store.prepare(
                "UPDATE products SET available = available - 1, allocated = allocated + 1, \
                 version = version + 1, state = ?2 WHERE id = ?1 AND available >= 1",
            )?,
            notification: store.prepare(
                "INSERT INTO notifications (id, era, order_id, user_id, template, version, state) \
                 VALUES (?, ?, ?, ?, 'order_confirmed', 1, ?)",
            )?,
            head: store.prepare(
                "UPDATE head SET last_position = last_position + ?3, revision = revision + 1 \
                 WHERE domain = ?1 AND shard = ?2 AND epoch = 1",
            )?,
            link: store.prepare(
                "INSERT INTO link (domain, shard, peer_domain, peer_shard, sent, watermark) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO UPDATE SET \
                 sent = max(sent, excluded.sent), watermark = max(watermark, excluded.watermark)",
            )?,
            product_positions: [0; SHARDS_COUNT],
            created: rows::bytes(rows::CREATED_BYTES),
            confirmed: rows::bytes(rows::CONFIRMED_BYTES),
            reserved: rows::bytes(rows::RESERVED_BYTES),
            recorded: rows::bytes(rows::RECORDED_BYTES),
            order_state: rows::bytes(rows::ORDER_STATE_BYTES),
            product_state: rows::bytes(rows::PRODUCT_STATE_BYTES),
            notification_state: rows::bytes(rows::NOTIFICATION_STATE_BYTES),
        })
    }

    /// An order that is confirmed, its product, and the three records of both.
    fn order(&mut self, nth: i64) -> anyhow::Result<()> {
        let order = Order::nth(nth);
        let product_position = &mut self.product_positions[usize::try_from(order.product_shard)?];
        *product_position += 1;
        let position = 2 * order.in_shard + 1;
        let now = rows::NOW_MS + nth / 20;
        let to_product = format!(",{PRODUCTS}/{}:{}", order.product_shard, position - 2);
        let to_order = format!(",{ORDERS}/{}:{}", order.shard, *product_position - 1);
        self.record.execute(params![
            ORDERS,
            order.shard,
            position,
            order.id,
            1,
            now,
            "order.created.v1",
            self.created,
            to_product
        ])?;
        self.record.execute(params![
            ORDERS,
            order.shard,
            position + 1,
            order.id,
            2,
            now,
            "order.confirmed.v1",
            self.confirmed,
            None::<&str>
        ])?;
        self.record.execute(params![
            PRODUCTS,
            order.product_shard,
            *product_position,
            order.product,
            *product_position,
            now,
            "stock.reserved.v1",
            self.reserved,
            to_order
        ])?;
        self.order.execute(params![
            order.id,
            order.shard,
            nth / ORDERS_OF_AN_ERA,
            order.user,
            self.order_state
        ])?;
        self.product
            .execute(params![order.product, self.product_state])?;
        Ok(())
    }

    fn notification(&mut self, nth: i64) -> anyhow::Result<()> {
        let order = Order::nth(nth);
        let id = SHARDS * (1 + order.in_shard) + order.shard;
        self.record.execute(params![
            NOTIFICATIONS,
            order.shard,
            1 + order.in_shard,
            id,
            1,
            rows::NOW_MS + nth / 20,
            "notification.recorded.v1",
            self.recorded,
            None::<&str>
        ])?;
        self.notification.execute(params![
            id,
            nth / ORDERS_OF_AN_ERA,
            order.id,
            order.user,
            self.notification_state
        ])?;
        Ok(())
    }

    /// Heads, and with all rows links, once in a transaction.
    fn heads(&mut self, position: i64, extent: Extent) -> anyhow::Result<()> {
        let per_shard = BATCH / SHARDS;
        for shard in 0..SHARDS {
            self.head.execute([ORDERS, shard, 2 * per_shard])?;
            self.head.execute([PRODUCTS, shard, per_shard])?;
            if extent == Extent::OrdersAndProducts {
                continue;
            }
            self.head.execute([NOTIFICATIONS, shard, per_shard])?;
            self.link
                .execute([NOTIFICATIONS, shard, ORDERS, shard, position])?;
            for peer in 0..SHARDS {
                self.link
                    .execute([ORDERS, shard, PRODUCTS, peer, position])?;
                self.link
                    .execute([PRODUCTS, shard, ORDERS, peer, position])?;
            }
        }
        Ok(())
    }
}

/// The statements of the activity log.
struct ActivityRows<'a> {
    entry: Statement<'a>,
    watermark: Statement<'a>,
    /// Of the only source that is written here. Which one does not matter to the index.
    position: i64,
}

impl<'a> ActivityRows<'a> {
    fn new(activity: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            entry: activity.prepare(
                "INSERT INTO activity (source_domain, source_shard, position, time_ms, level, service, event_type, \
                 order_id, message, folded) VALUES (?, ?, ?, ?, 'info', ?, ?, ?, ?, NULL)",
            )?,
            watermark: activity.prepare(
                "INSERT INTO watermark (source_domain, source_shard, position) VALUES (?, ?, ?) \
                 ON CONFLICT DO UPDATE SET position = excluded.position",
            )?,
            position: 0,
        })
    }

    /// The four entries of an order.
    fn of_order(&mut self, nth: i64) -> anyhow::Result<()> {
        let Order {
            id,
            user,
            shard,
            product,
            product_shard,
            ..
        } = Order::nth(nth);
        let entries = [
            (
                ORDERS,
                shard,
                "orders",
                "order.created.v1",
                format!("order {id} placed by user {user}, lines: 1"),
            ),
            (
                PRODUCTS,
                product_shard,
                "products",
                "stock.reserved.v1",
                format!("1 pieces of product {product} reserved for order {id}, 999999998 left"),
            ),
            (
                ORDERS,
                shard,
                "orders",
                "order.confirmed.v1",
                format!("order {id} confirmed, total 12.50 EUR"),
            ),
            (
                NOTIFICATIONS,
                shard,
                "notifications",
                "notification.recorded.v1",
                format!("notification {nth}: Your order {id} is confirmed"),
            ),
        ];
        for (domain, shard, service, event_type, message) in entries {
            self.position += 1;
            let time = rows::NOW_MS + nth / 20;
            self.entry.execute(params![
                domain,
                shard,
                self.position,
                time,
                service,
                event_type,
                id,
                message
            ])?;
        }
        Ok(())
    }

    fn watermarks(&mut self, position: i64) -> anyhow::Result<()> {
        for domain in [ORDERS, PRODUCTS, NOTIFICATIONS] {
            for shard in 0..SHARDS {
                self.watermark.execute([domain, shard, position])?;
            }
        }
        Ok(())
    }
}

//! The port [`Snapshot`] on PostgreSQL.

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ShardRef, Topology, notifications::Notification, orders::Order,
    products::Product, users::User,
};
use engine::Head;
use sqlx::postgres::PgRow;

use super::{
    archive::{all_marks, marks_of},
    bind::Values,
    decode, schema,
    snapshot::PostgresSnapshot,
};
use crate::{
    Archived, Key, KeyRecord, LostEvent, LostEvents, ParkedRow, Snapshot, StateRow, StorageError,
    StoredRecord,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding,
    kept::Kept,
    topology::SHARDED,
};

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn topology(&self) -> Topology {
        self.shards()
    }

    async fn heads(&mut self) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
        let mut heads = Vec::new();
        for domain in SHARDED {
            let rows = self
                .fetch(
                    domain,
                    all_heads(domain),
                    Values::default().into_arguments(),
                )
                .await?;
            heads.extend(heads_of(domain, &rows)?);
        }
        Ok(heads)
    }

    async fn archived_in(&mut self, domain: Domain) -> Result<Vec<Archived>, StorageError> {
        let arguments = Values::default().into_arguments();
        let rows = self.fetch(domain, all_marks(domain), arguments).await?;
        marks_of(domain, &rows)
    }

    async fn records(
        &mut self,
        shard: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let sql = format!(
            "SELECT {} FROM {}.journal WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3",
            decode::RECORD,
            schema::of(shard.domain)
        );
        let mut values = Values::default();
        values.shard(shard.shard)?.number(after)?.limit(limit)?;
        let rows = self
            .fetch(shard.domain, sql, values.into_arguments())
            .await?;
        rows.iter()
            .map(|row| decode::record(row, shard.domain))
            .collect()
    }

    async fn order_history(
        &mut self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let sql = format!(
            "SELECT {} FROM orders.journal WHERE aggregate_id = $1 AND seq > $2 \
             ORDER BY seq, shard, position LIMIT $3",
            decode::RECORD
        );
        let mut values = Values::default();
        values.number(id.get())?.number(after_seq)?.limit(limit)?;
        self.order_rows(sql, values).await
    }

    async fn order_records(
        &mut self,
        after: Option<&StoredRecord>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        // The index has the first two columns; what they leave open is sorted, an order at a time.
        let sql = format!(
            "SELECT {} FROM orders.journal WHERE (aggregate_id, seq, shard, position) > ($1, $2, $3, $4) \
             ORDER BY aggregate_id, seq, shard, position LIMIT $5",
            decode::RECORD
        );
        let mut values = Values::default();
        values
            .number(after.map_or(0, |record| record.aggregate_id))?
            .number(after.map_or(0, |record| record.seq))?
            .shard(after.map_or(0, |record| record.shard.shard))?
            .number(after.map_or(0, |record| record.position))?
            .limit(limit)?;
        self.order_rows(sql, values).await
    }

    async fn orders(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Order, OrderColumns>>, StorageError> {
        let columns = "shard, user_id, status, deadline_ms";
        self.states(Domain::Orders, "orders", columns, (after, limit), |row| {
            Ok(OrderColumns {
                shard: decode::shard(row, 3, Domain::Orders)?.shard,
                user_id: decode::number(row, 4)?,
                status: decode::get(row, 5)?,
                deadline: decode::optional_time(row, 6)?,
            })
        })
        .await
    }

    async fn products(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Product, ProductColumns>>, StorageError> {
        let columns = "sku, name, folded, available, allocated, created_at_ms";
        self.states(
            Domain::Products,
            "products",
            columns,
            (after, limit),
            |row| {
                Ok(ProductColumns {
                    sku: decode::get(row, 3)?,
                    name: decode::get(row, 4)?,
                    folded: decode::get(row, 5)?,
                    available: decode::number(row, 6)?,
                    allocated: decode::number(row, 7)?,
                    created_at: decode::time(row, 8)?,
                })
            },
        )
        .await
    }

    async fn users(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<User, UserColumns>>, StorageError> {
        let columns = "username_key, role";
        self.states(Domain::Auth, "users", columns, (after, limit), |row| {
            Ok(UserColumns {
                username_key: decode::get(row, 3)?,
                role: decode::get(row, 4)?,
            })
        })
        .await
    }

    async fn notifications(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Notification, NotificationColumns>>, StorageError> {
        let (domain, columns) = (Domain::Notifications, "order_id, user_id, template");
        self.states(domain, "notifications", columns, (after, limit), |row| {
            Ok(NotificationColumns {
                order_id: decode::number(row, 3)?,
                user_id: decode::number(row, 4)?,
                template: decode::get(row, 5)?,
            })
        })
        .await
    }

    async fn key_count(&mut self) -> Result<u64, StorageError> {
        let mut count = 0;
        for domain in SHARDED {
            let sql = format!("SELECT count(*) FROM {}.keys", schema::of(domain));
            let rows = self
                .fetch(domain, sql, Values::default().into_arguments())
                .await?;
            count += rows.first().map_or(Ok(0), |row| decode::number(row, 0))?;
        }
        Ok(count)
    }

    async fn keys_without_owner(&mut self, limit: usize) -> Result<Vec<KeyRecord>, StorageError> {
        let mut keys = Vec::new();
        for domain in SHARDED {
            let schema = schema::of(domain);
            let has_no_owner = match owners_of_keys(domain) {
                Some(table) => format!(
                    "NOT EXISTS (SELECT FROM {schema}.{table} AS owner WHERE owner.id = keys.aggregate_id)"
                ),
                None => "true".to_owned(),
            };
            let sql = format!(
                "SELECT shard, text, aggregate_id, fingerprint, expires_at_ms FROM {schema}.keys AS keys \
                 WHERE {has_no_owner} ORDER BY text LIMIT $1"
            );
            let mut values = Values::default();
            values.limit(limit.saturating_sub(keys.len()))?;
            for row in &self.fetch(domain, sql, values.into_arguments()).await? {
                let key = Key {
                    shard: decode::shard(row, 0, domain)?,
                    text: decode::get(row, 1)?,
                };
                let owner = decode::key_owner(row, 2)?;
                keys.push(KeyRecord { key, owner });
            }
        }
        Ok(keys)
    }

    async fn parked(&mut self) -> Result<Vec<ParkedRow>, StorageError> {
        let mut parked = Vec::new();
        for domain in SHARDED {
            let sql = format!(
                "SELECT {} FROM {}.parked ORDER BY shard, id",
                decode::PARKED,
                schema::of(domain)
            );
            for row in &self
                .fetch(domain, sql, Values::default().into_arguments())
                .await?
            {
                parked.push(decode::parked(row, domain)?);
            }
        }
        Ok(parked)
    }

    async fn lost_events(&mut self, examples: usize) -> Result<LostEvents, StorageError> {
        let mut lost = LostEvents::default();
        for domain in SHARDED {
            let schema = schema::of(domain);
            let sql = format!("SELECT count(*) FROM {schema}.lost_event");
            let rows = self
                .fetch(domain, sql, Values::default().into_arguments())
                .await?;
            lost.total += rows.first().map_or(Ok(0), |row| decode::number(row, 0))?;
            let sql = format!(
                "SELECT shard, incarnation, position, aggregate_id, time_ms, event_type \
                 FROM {schema}.lost_event ORDER BY shard, position, incarnation LIMIT $1"
            );
            let mut values = Values::default();
            values.limit(examples.saturating_sub(lost.examples.len()))?;
            for row in &self.fetch(domain, sql, values.into_arguments()).await? {
                lost.examples.push(lost_event(row, domain)?);
            }
        }
        Ok(lost)
    }
}

impl PostgresSnapshot {
    async fn order_rows(
        &mut self,
        sql: String,
        values: Values,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let rows = self
            .fetch(Domain::Orders, sql, values.into_arguments())
            .await?;
        rows.iter()
            .map(|row| decode::record(row, Domain::Orders))
            .collect()
    }

    async fn states<T: Kept, C>(
        &mut self,
        domain: Domain,
        table: &'static str,
        columns: &'static str,
        (after, limit): (u64, usize),
        read_columns: impl Fn(&PgRow) -> Result<C, StorageError>,
    ) -> Result<Vec<StateRow<T, C>>, StorageError> {
        let sql = format!(
            "SELECT id, version, state, {columns} FROM {}.{table} WHERE id > $1 ORDER BY id LIMIT $2",
            schema::of(domain)
        );
        let mut values = Values::default();
        values.number(after)?.limit(limit)?;
        self.fetch(domain, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| {
                Ok(StateRow {
                    id: decode::number(row, 0)?,
                    version: decode::number(row, 1)?,
                    state: encoding::decode(decode::get(row, 2)?),
                    columns: read_columns(row)?,
                })
            })
            .collect()
    }
}

/// The statement that reads all heads of a domain with their links.
pub(super) fn all_heads(domain: Domain) -> String {
    let schema = schema::of(domain);
    format!(
        "SELECT head.shard, head.epoch, head.last_position, head.revision, head.last_id, \
         link.peer_domain, link.peer_shard, link.sent, link.watermark \
         FROM {schema}.head AS head LEFT JOIN {schema}.link AS link USING (shard) ORDER BY head.shard"
    )
}

/// The heads in the rows of [`all_heads`].
pub(super) fn heads_of(
    domain: Domain,
    rows: &[PgRow],
) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
    let mut heads: Vec<(ShardRef, Head<ShardRef>)> = Vec::new();
    for row in rows {
        let shard = decode::shard(row, 0, domain)?;
        if heads.last().is_none_or(|(last, _)| *last != shard) {
            let head = Head {
                last_position: decode::number(row, 2)?,
                revision: decode::number(row, 3)?,
                last_id: decode::number(row, 4)?,
                ..Head::empty(decode::number(row, 1)?)
            };
            heads.push((shard, head));
        }
        let has_link = decode::get::<Option<i16>>(row, 5)?.is_some();
        if let (true, Some((_, head))) = (has_link, heads.last_mut()) {
            let peer = decode::peer(row, 5)?;
            let (sent, watermark) = (decode::number(row, 7)?, decode::number(row, 8)?);
            if sent > 0 {
                head.sent.insert(peer, sent);
            }
            if watermark > 0 {
                head.watermarks.insert(peer, watermark);
            }
        }
    }
    Ok(heads)
}

/// The table of the aggregates that own a domain's keys.
const fn owners_of_keys(domain: Domain) -> Option<&'static str> {
    match domain {
        Domain::Auth => Some("users"),
        Domain::Orders => Some("orders"),
        Domain::Products => Some("products"),
        Domain::Payments | Domain::Notifications | Domain::Logs => None,
    }
}

fn lost_event(row: &PgRow, domain: Domain) -> Result<LostEvent, StorageError> {
    Ok(LostEvent {
        shard: decode::shard(row, 0, domain)?,
        incarnation: decode::get(row, 1)?,
        position: decode::number(row, 2)?,
        aggregate_id: decode::number(row, 3)?,
        time: decode::time(row, 4)?,
        event_type: decode::get(row, 5)?,
    })
}

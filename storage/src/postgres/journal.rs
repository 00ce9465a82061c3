//! [`Journal`] on PostgreSQL.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ProductId, ShardRef, Timestamp, UserId, orders::Order, products::Product,
    users::User,
};
use engine::Head;

use super::{
    archive::{all_marks, marks_of},
    bind::{Values, text},
    decode, schema,
    store::PostgresStore,
};
use crate::{
    Batch, Journal, Key, KeyRecord, ParkedRow, StorageError, StoredRecord, kept::Kept, links,
    topology::SHARDED,
};

#[async_trait]
impl Journal for PostgresStore {
    async fn claim(
        &self,
        shard: ShardRef,
        owner: &str,
        expected: Option<u64>,
    ) -> Result<Head<ShardRef>, StorageError> {
        self.check_shard(shard)?;
        let domain = self.domain(shard.domain)?;
        let database = self.database(domain.database);
        self.faults.before_write(database).await?;
        let mut values = Values::default();
        values
            .shard(shard.shard)?
            .add(text(owner))?
            .add(expected.map(u64::cast_signed))?;
        let rows = database
            .fetch(domain.statements.claim.clone(), values.into_arguments())
            .await?;
        let row = rows.first().ok_or(StorageError::HeadMoved { shard })?;
        let epoch = decode::number(row, 0)?;
        // The epoch is committed: what is read now no former owner can change any more.
        let mut heads = self.heads(&[shard]).await?;
        match heads.pop() {
            Some((_, head)) if head.epoch == epoch => Ok(head),
            _ => Err(StorageError::HeadMoved { shard }),
        }
    }

    async fn commit(&self, batch: &Arc<Batch>) -> Result<(), StorageError> {
        self.commit_batch(batch).await
    }

    async fn verify(&self, epochs: &[(ShardRef, u64)]) -> Result<(), StorageError> {
        for (domain, of_domain) in by_domain(epochs.iter().copied()) {
            let (shards, epochs): (Vec<i16>, Vec<i64>) = of_domain
                .into_iter()
                .map(|(shard, epoch)| (shard.shard.cast_signed(), epoch.cast_signed()))
                .unzip();
            let mut values = Values::default();
            values.add(shards)?.add(epochs)?;
            let sql = self.domain(domain)?.statements.verify.clone();
            let moved = self.fetch(domain, sql, values.into_arguments()).await?;
            if let Some(row) = moved.first() {
                let shard = decode::shard(row, 0, domain)?;
                return Err(StorageError::HeadMoved { shard });
            }
        }
        Ok(())
    }

    async fn release(&self, shard: ShardRef, epoch: u64) -> Result<(), StorageError> {
        let domain = self.domain(shard.domain)?;
        let database = self.database(domain.database);
        self.faults.before_write(database).await?;
        let mut values = Values::default();
        values.shard(shard.shard)?.number(epoch)?;
        let sql = domain.statements.release.clone();
        database.fetch(sql, values.into_arguments()).await?;
        Ok(())
    }

    async fn read_link(
        &self,
        source: ShardRef,
        target: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<StoredRecord>, bool), StorageError> {
        let mut values = Values::default();
        values
            .shard(source.shard)?
            .number(after)?
            .add(i16::from(target.domain.code()))?
            .shard(target.shard)?
            .add(links::needle(target))?
            .limit(limit.saturating_add(1))?;
        let sql = self.domain(source.domain)?.statements.read_link.clone();
        let rows = self
            .fetch(source.domain, sql, values.into_arguments())
            .await?;
        let reached_the_end = rows.len() <= limit;
        let records = rows
            .iter()
            .take(limit)
            .map(|row| decode::record(row, source.domain))
            .collect::<Result<_, _>>()?;
        Ok((records, reached_the_end))
    }

    async fn read(
        &self,
        source: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let mut values = Values::default();
        values.shard(source.shard)?.number(after)?.limit(limit)?;
        let sql = self.domain(source.domain)?.statements.read.clone();
        self.fetch(source.domain, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| decode::record(row, source.domain))
            .collect()
    }

    async fn heads(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
        let mut all = HashMap::new();
        for (domain, of_domain) in by_domain(shards.iter().map(|&shard| (shard, ()))) {
            let asked = of_domain.iter().map(|(shard, ())| shard.shard);
            all.extend(self.heads_of(domain, asked).await?);
        }
        Ok(shards
            .iter()
            .filter_map(|shard| all.remove_entry(shard))
            .collect())
    }

    async fn archived(&self, shards: &[ShardRef]) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let mut archived = Vec::new();
        for (domain, of_domain) in by_domain(shards.iter().map(|shard| (*shard, ()))) {
            let arguments = Values::default().into_arguments();
            let rows = self.fetch(domain, all_marks(domain), arguments).await?;
            let marks = marks_of(domain, &rows)?.into_iter();
            let of_these = marks.filter(|mark| of_domain.contains(&(mark.shard, ())));
            archived.extend(of_these.map(|mark| (mark.shard, mark.position)));
        }
        Ok(archived)
    }

    async fn load_orders(&self, ids: &[OrderId]) -> Result<Vec<(Order, u64)>, StorageError> {
        self.load(Domain::Orders, "orders", ids.iter().map(|id| id.get()))
            .await
    }

    async fn load_products(&self, ids: &[ProductId]) -> Result<Vec<(Product, u64)>, StorageError> {
        self.load(Domain::Products, "products", ids.iter().map(|id| id.get()))
            .await
    }

    async fn load_users(&self, ids: &[UserId]) -> Result<Vec<(User, u64)>, StorageError> {
        self.load(Domain::Auth, "users", ids.iter().map(|id| id.get()))
            .await
    }

    async fn find_keys(&self, keys: &[Key]) -> Result<Vec<KeyRecord>, StorageError> {
        let mut found = Vec::new();
        for (domain, of_domain) in by_domain(keys.iter().map(|key| (key.shard, key))) {
            let texts: Vec<_> = of_domain.iter().map(|(_, key)| text(&key.text)).collect();
            let mut values = Values::default();
            values.add(texts)?;
            let sql = self.domain(domain)?.statements.find_keys.clone();
            for row in &self.fetch(domain, sql, values.into_arguments()).await? {
                let nth = usize::try_from(decode::number(row, 0)?).unwrap_or(usize::MAX);
                // Counted from one.
                if let Some((_, key)) = of_domain.get(nth.wrapping_sub(1)) {
                    found.push(KeyRecord {
                        key: (*key).clone(),
                        owner: decode::key_owner(row, 1)?,
                    });
                }
            }
        }
        Ok(found)
    }

    async fn purge_keys(&self, now: Timestamp, limit: usize) -> Result<u64, StorageError> {
        let mut purged = 0;
        for domain in SHARDED {
            let store = self.domain(domain)?;
            let database = self.database(store.database);
            self.faults.before_write(database).await?;
            let left = limit.saturating_sub(usize::try_from(purged).unwrap_or(usize::MAX));
            let mut values = Values::default();
            values.add(now.as_millis())?.limit(left)?;
            let sql = store.statements.purge_keys.clone();
            let rows = database.fetch(sql, values.into_arguments()).await?;
            purged += rows.first().map_or(Ok(0), |row| decode::number(row, 0))?;
        }
        Ok(purged)
    }

    async fn parked(&self, shard: ShardRef) -> Result<Vec<ParkedRow>, StorageError> {
        let mut values = Values::default();
        values.shard(shard.shard)?;
        let sql = self.domain(shard.domain)?.statements.parked.clone();
        self.fetch(shard.domain, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| decode::parked(row, shard.domain))
            .collect()
    }
}

impl PostgresStore {
    /// The heads of these shards of a domain, links included, from one statement and so of one moment.
    async fn heads_of(
        &self,
        domain: Domain,
        shards: impl Iterator<Item = u16> + Send,
    ) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
        let mut values = Values::default();
        values.add(shards.map(u16::cast_signed).collect::<Vec<_>>())?;
        let sql = self.domain(domain)?.statements.heads.clone();
        let rows = self.fetch(domain, sql, values.into_arguments()).await?;
        let mut heads: Vec<(ShardRef, Head<ShardRef>)> = Vec::new();
        for row in &rows {
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

    async fn load<T: Kept>(
        &self,
        domain: Domain,
        table: &'static str,
        ids: impl Iterator<Item = u64> + Send,
    ) -> Result<Vec<(T, u64)>, StorageError> {
        let sql = format!(
            "SELECT id, version, state FROM {}.{table} WHERE id = ANY ($1)",
            schema::of(domain)
        );
        let mut values = Values::default();
        values.add(ids.map(u64::cast_signed).collect::<Vec<_>>())?;
        self.fetch(domain, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| Ok((decode::state(row, 0, 2)?, decode::number(row, 1)?)))
            .collect()
    }
}

/// What concerns shards, domain by domain.
pub(super) fn by_domain<T>(
    all: impl Iterator<Item = (ShardRef, T)>,
) -> BTreeMap<Domain, Vec<(ShardRef, T)>> {
    let mut domains: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (shard, what) in all {
        domains.entry(shard.domain).or_default().push((shard, what));
    }
    domains
}

//! What `stampede recover` does to a cluster's databases after they were put back to an earlier state.
//!
//! One transaction in each database, in which all heads are locked: nobody writes meanwhile, and two recoveries come one
//! after the other. Nothing is done before [`Recovery::commit`], and what was done to some databases only may be
//! done again to all.

use std::{collections::BTreeMap, time::Duration};

use domain::{Domain, ShardRef, Topology};
use engine::Head;
use sqlx::{AssertSqlSafe, PgConnection, postgres::PgRow};

use super::{
    bind::{Values, text},
    connect, decode, errors,
    journal::by_domain,
    meta,
    options::PostgresOptions,
    schema,
    snapshot::{domains_at, execute, take_time},
    snapshot_reads::{all_heads, heads_of},
    store::PostgresStore,
};
use crate::{Incarnations, LostEvent, StorageError, topology::SHARDED};

/// How long is waited for somebody else's lock on the heads.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A lost event with what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// Which.
    pub event: LostEvent,
    /// The event in protobuf; empty where nobody remembers it.
    pub payload: Vec<u8>,
}

/// The databases of a cluster while they are being recovered.
#[derive(Debug)]
pub struct Recovery {
    /// The transaction of each database, the default one first, with the domains it has.
    databases: Vec<(PgConnection, Vec<Domain>)>,
    topology: Topology,
    incarnations: Incarnations,
}

impl Recovery {
    /// Begins the transactions and locks the heads.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if the schemas are missing or have another version;
    /// [`StorageError::Unavailable`] if a database cannot be reached or somebody is writing to it.
    pub async fn begin(options: PostgresOptions) -> Result<Self, StorageError> {
        let meta = meta::open(&options).await?;
        let (mut databases, mut lives) = (Vec::new(), Vec::new());
        for url in options.databases() {
            let domains = domains_at(&options, url);
            let mut connection = connect::connect(&options, url).await?;
            for &domain in &domains {
                schema::check(&mut connection, schema::of(domain)).await?;
                meta::check_domain(&mut connection, domain, &meta).await?;
            }
            let lock_timeout = LOCK_TIMEOUT.as_millis();
            let begin = format!(
                "{}; BEGIN; SET LOCAL lock_timeout = {lock_timeout}",
                take_time()
            );
            execute(&mut connection, begin).await?;
            for &domain in &domains {
                let lock = format!("LOCK TABLE {}.head IN EXCLUSIVE MODE", schema::of(domain));
                execute(&mut connection, lock).await?;
                lives.extend(meta::read_incarnations(&mut connection, domain).await?);
            }
            databases.push((connection, domains));
        }
        Ok(Self {
            databases,
            topology: meta.topology,
            incarnations: Incarnations::new(lives),
        })
    }

    /// How many shards each domain has.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The incarnations of all shards, as they are without what [`Self::renew`] does.
    #[must_use]
    pub const fn incarnations(&self) -> &Incarnations {
        &self.incarnations
    }

    /// The names of the nodes that were heard of within this time, by the clock of the database.
    pub async fn nodes_heard_of(&mut self, within: Duration) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT name FROM cluster.node \
                   WHERE seen_at > clock_timestamp() - $1 * interval '1 second' ORDER BY name";
        // `databases()` of the options begins with the default one.
        let (connection, _) = &mut self.databases[0];
        sqlx::query_scalar(sql)
            .bind(within.as_secs_f64())
            .fetch_all(connection)
            .await
            .map_err(errors::classify)
    }

    /// Every head, links included.
    pub async fn heads(&mut self) -> Result<BTreeMap<ShardRef, Head<ShardRef>>, StorageError> {
        let mut heads = BTreeMap::new();
        for domain in SHARDED {
            let rows = self
                .fetch(domain, all_heads(domain), Values::default())
                .await?;
            heads.extend(heads_of(domain, &rows)?);
        }
        Ok(heads)
    }

    /// All shards whose journals are in the same database as this one's, itself included: they were put back together.
    #[must_use]
    pub fn beside(&self, shard: ShardRef) -> Vec<ShardRef> {
        let domains = self.databases.iter().map(|(_, domains)| domains);
        let together = domains
            .into_iter()
            .find(|domains| domains.contains(&shard.domain));
        let journals = self.topology.journals();
        journals
            .filter(|journal| together.is_some_and(|domains| domains.contains(&journal.domain)))
            .collect()
    }

    /// Notes lost events. Returns the types of those that were not noted before, and how many of each.
    pub async fn note_lost(
        &mut self,
        records: &[LostRecord],
    ) -> Result<BTreeMap<String, u64>, StorageError> {
        let mut noted = BTreeMap::new();
        let of = records.iter().map(|record| (record.event.shard, record));
        for (domain, of_domain) in by_domain(of) {
            let events = || of_domain.iter().map(|(_, record)| &record.event);
            let numbers = |number: fn(&LostEvent) -> u64| {
                events()
                    .map(|event| number(event).cast_signed())
                    .collect::<Vec<i64>>()
            };
            let mut values = Values::default();
            values
                .add(
                    events()
                        .map(|event| event.shard.shard.cast_signed())
                        .collect::<Vec<_>>(),
                )?
                .add(
                    events()
                        .map(|event| text(&event.incarnation))
                        .collect::<Vec<_>>(),
                )?
                .add(numbers(|event| event.position))?
                .add(numbers(|event| event.aggregate_id))?
                .add(
                    events()
                        .map(|event| event.time.as_millis())
                        .collect::<Vec<_>>(),
                )?
                .add(
                    events()
                        .map(|event| text(&event.event_type))
                        .collect::<Vec<_>>(),
                )?
                .add(
                    of_domain
                        .iter()
                        .map(|(_, record)| record.payload.as_slice())
                        .collect::<Vec<_>>(),
                )?;
            let sql = format!(
                "WITH noted AS (INSERT INTO {}.lost_event \
                 (shard, incarnation, position, aggregate_id, time_ms, event_type, payload) \
                 SELECT * FROM unnest($1::int2[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::text[], $7::bytea[]) \
                 ON CONFLICT DO NOTHING RETURNING event_type) \
                 SELECT event_type, count(*) FROM noted GROUP BY event_type",
                schema::of(domain)
            );
            for row in &self.fetch(domain, sql, values).await? {
                *noted.entry(decode::get(row, 0)?).or_default() += decode::number(row, 1)?;
            }
        }
        Ok(noted)
    }

    /// Gives shards a new incarnation from the next record on. One that has none of its records yet is replaced.
    pub async fn renew(&mut self, shards: &[ShardRef]) -> Result<(), StorageError> {
        for (domain, of_domain) in by_domain(shards.iter().map(|&shard| (shard, ()))) {
            let schema = schema::of(domain);
            let sql = format!(
                "INSERT INTO {schema}.incarnation (shard, first_position, incarnation) \
                 SELECT renewed.shard, coalesce(head.last_position, 0) + 1, {} \
                 FROM unnest($1::int2[]) AS renewed (shard) LEFT JOIN {schema}.head AS head USING (shard) \
                 ON CONFLICT (shard, first_position) DO UPDATE SET incarnation = excluded.incarnation",
                meta::RANDOM
            );
            let shards = of_domain
                .iter()
                .map(|(shard, ())| shard.shard.cast_signed());
            let mut values = Values::default();
            values.add(shards.collect::<Vec<i16>>())?;
            self.fetch(domain, sql, values).await?;
        }
        Ok(())
    }

    /// Makes sure that these shards issue no id up to the given one. Returns those whose last id was raised.
    pub async fn raise_ids(
        &mut self,
        ids: &BTreeMap<ShardRef, u64>,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let mut raised = Vec::new();
        for (domain, of_domain) in by_domain(ids.iter().map(|(&shard, &id)| (shard, id))) {
            let sql = format!(
                "INSERT INTO {}.head AS head (shard, epoch, owner, last_position, revision, last_id) \
                 SELECT shard, 0, NULL, 0, 0, id FROM unnest($1::int2[], $2::int8[]) AS lost (shard, id) \
                 ON CONFLICT (shard) DO UPDATE SET last_id = excluded.last_id \
                 WHERE head.last_id < excluded.last_id RETURNING shard, last_id",
                schema::of(domain)
            );
            let (shards, ids): (Vec<i16>, Vec<i64>) = of_domain
                .into_iter()
                .map(|(shard, id)| (shard.shard.cast_signed(), id.cast_signed()))
                .unzip();
            let mut values = Values::default();
            values.add(shards)?.add(ids)?;
            for row in &self.fetch(domain, sql, values).await? {
                raised.push((decode::shard(row, 0, domain)?, decode::number(row, 1)?));
            }
        }
        raised.sort_unstable();
        Ok(raised)
    }

    /// Puts a watermark of a shard down to this position of its source.
    pub async fn lower_watermark(
        &mut self,
        target: ShardRef,
        source: ShardRef,
        position: u64,
    ) -> Result<(), StorageError> {
        let sql = format!(
            "UPDATE {}.link SET watermark = $4 \
             WHERE shard = $1 AND peer_domain = $2 AND peer_shard = $3 AND watermark > $4",
            schema::of(target.domain)
        );
        let mut values = Values::default();
        values
            .shard(target.shard)?
            .add(i16::from(source.domain.code()))?
            .shard(source.shard)?
            .number(position)?;
        self.fetch(target.domain, sql, values).await.map(drop)
    }

    /// Takes all shards from their owners and fences those off, and puts the publishers' cursors back to the ends of the
    /// journals. Returns how many cursors were beyond.
    pub async fn restart(&mut self) -> Result<u64, StorageError> {
        let mut lowered = 0;
        for domain in SHARDED {
            let schema = schema::of(domain);
            let sql = format!("UPDATE {schema}.head SET epoch = epoch + 1, owner = NULL");
            self.fetch(domain, sql, Values::default()).await?;
            let sql = format!(
                "UPDATE {schema}.published AS published \
                 SET public = least(public, ends.position), inbox = least(inbox, ends.position) \
                 FROM (SELECT known.shard, coalesce(head.last_position, 0) AS position \
                 FROM {schema}.published AS known LEFT JOIN {schema}.head AS head USING (shard)) AS ends \
                 WHERE ends.shard = published.shard AND greatest(public, inbox) > ends.position \
                 RETURNING published.shard"
            );
            lowered += self.fetch(domain, sql, Values::default()).await?.len() as u64;
        }
        Ok(lowered)
    }

    /// Commits, one database after the other. Returns the incarnations of all shards from now on.
    ///
    /// # Errors
    /// Whatever keeps a database from committing. Others may have committed; the recovery is to be repeated.
    pub async fn commit(mut self) -> Result<Incarnations, StorageError> {
        let mut lives = Vec::new();
        for (connection, domains) in &mut self.databases {
            for &domain in domains.iter() {
                lives.extend(meta::read_incarnations(connection, domain).await?);
            }
        }
        for (connection, _) in &mut self.databases {
            execute(connection, "COMMIT".to_owned()).await?;
        }
        Ok(Incarnations::new(lives))
    }

    async fn fetch(
        &mut self,
        domain: Domain,
        sql: String,
        values: Values,
    ) -> Result<Vec<PgRow>, StorageError> {
        let databases = self.databases.iter_mut();
        let (connection, _) = databases
            .into_iter()
            .find(|(_, domains)| domains.contains(&domain))
            .ok_or_else(|| {
                StorageError::Mismatch(format!("{} keeps no journal here", domain.name()))
            })?;
        sqlx::query_with(AssertSqlSafe(sql), values.into_arguments())
            .fetch_all(connection)
            .await
            .map_err(errors::classify)
    }
}

impl PostgresStore {
    /// Whether an incarnation of a shard is known from what [`Recovery::note_lost`] has noted alone.
    ///
    /// # Errors
    /// Whatever keeps the database from being read.
    pub async fn has_lost(&self, shard: ShardRef, incarnation: &str) -> Result<bool, StorageError> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {}.lost_event WHERE shard = $1 AND incarnation = $2)",
            schema::of(shard.domain)
        );
        let mut values = Values::default();
        values.shard(shard.shard)?.add(text(incarnation))?;
        let rows = Self::fetch(self, shard.domain, sql, values.into_arguments()).await?;
        rows.first().map_or(Ok(false), |row| decode::get(row, 0))
    }
}

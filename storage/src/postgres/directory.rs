//! [`Directory`] on PostgreSQL: nodes in the default database, owners and cursors with their domains.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Domain, ShardRef};
use sqlx::postgres::PgRow;

use super::{
    bind::{Values, text},
    decode,
    journal::by_domain,
    store::PostgresStore,
};
use crate::{Directory, DirectoryView, NodeEntry, NodeRecord, OwnerEntry, Published, StorageError};

#[async_trait]
impl Directory for PostgresStore {
    async fn announce(&self, node: &NodeRecord) -> Result<(), StorageError> {
        let sql = "INSERT INTO cluster.node (name, address, domains, seen_at, status) \
                   VALUES ($1, $2, $3, clock_timestamp(), $4::text::jsonb) \
                   ON CONFLICT (name) DO UPDATE SET address = excluded.address, domains = excluded.domains, \
                   seen_at = excluded.seen_at, status = excluded.status";
        let domains: Vec<&str> = node.domains.iter().map(|domain| domain.name()).collect();
        // PostgreSQL's JSON knows every character but U+0000.
        let status = node.status.to_string().replace("\\u0000", "\\ufffd");
        let mut values = Values::default();
        values
            .add(text(&node.name))?
            .add(text(&node.address))?
            .add(domains)?
            .add(status)?;
        self.default_database()
            .fetch(sql, values.into_arguments())
            .await?;
        Ok(())
    }

    async fn withdraw(&self, name: &str) -> Result<(), StorageError> {
        let sql = "DELETE FROM cluster.node WHERE name = $1";
        let mut values = Values::default();
        values.add(text(name))?;
        self.default_database()
            .fetch(sql, values.into_arguments())
            .await?;
        Ok(())
    }

    async fn view(&self) -> Result<DirectoryView, StorageError> {
        let sql = "SELECT name, address, domains, status::text, \
                   (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint \
                   FROM cluster.node ORDER BY name";
        // Owners first: a node that claims shards has announced itself before.
        let owners = self.owners().await?;
        let nodes = self
            .default_database()
            .fetch(sql, Values::default().into_arguments())
            .await?;
        Ok(DirectoryView {
            nodes: nodes.iter().map(node).collect::<Result<_, _>>()?,
            owners,
        })
    }

    async fn published(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Published)>, StorageError> {
        let mut all = Vec::new();
        for (domain, of_domain) in by_domain(shards.iter().map(|&shard| (shard, ()))) {
            let asked = of_domain
                .iter()
                .map(|(shard, ())| shard.shard.cast_signed());
            let mut values = Values::default();
            values.add(asked.collect::<Vec<_>>())?;
            let sql = self.domain(domain)?.statements.published.clone();
            for row in &self.fetch(domain, sql, values.into_arguments()).await? {
                let cursors = Published {
                    public: decode::number(row, 1)?,
                    inbox: decode::number(row, 2)?,
                };
                all.push((decode::shard(row, 0, domain)?, cursors));
            }
        }
        Ok(all)
    }

    async fn set_published(&self, cursors: &[(ShardRef, Published)]) -> Result<(), StorageError> {
        for (domain, of_domain) in by_domain(cursors.iter().copied()) {
            let column = |value: fn(&Published) -> u64| {
                let values = of_domain.iter().map(|(_, cursors)| value(cursors));
                values.map(u64::cast_signed).collect::<Vec<_>>()
            };
            let shards = of_domain.iter().map(|(shard, _)| shard.shard.cast_signed());
            let mut values = Values::default();
            values
                .add(shards.collect::<Vec<_>>())?
                .add(column(|cursors| cursors.public))?
                .add(column(|cursors| cursors.inbox))?;
            let sql = self.domain(domain)?.statements.set_published.clone();
            self.fetch(domain, sql, values.into_arguments()).await?;
        }
        Ok(())
    }
}

impl PostgresStore {
    /// Owner and epoch of every shard that was ever claimed, with one statement for each database.
    pub(super) async fn owners(&self) -> Result<Vec<OwnerEntry>, StorageError> {
        let mut owners = Vec::new();
        for (database, domains) in self.databases() {
            let parts: Vec<_> = domains
                .iter()
                .map(|domain| domain.statements.owners.as_str())
                .collect();
            if parts.is_empty() {
                continue;
            }
            let sql = format!("{} ORDER BY domain, shard", parts.join(" UNION ALL "));
            for row in &database
                .fetch(sql, Values::default().into_arguments())
                .await?
            {
                owners.push(OwnerEntry {
                    shard: decode::peer(row, 0)?,
                    owner: decode::get(row, 2)?,
                    epoch: decode::number(row, 3)?,
                });
            }
        }
        Ok(owners)
    }
}

fn node(row: &PgRow) -> Result<NodeEntry, StorageError> {
    let name: String = decode::get(row, 0)?;
    let status: &str = decode::get(row, 3)?;
    let status = serde_json::from_str(status)
        .map_err(|error| StorageError::Damaged(format!("status of node {name}: {error}")))?;
    let domains: Vec<String> = decode::get(row, 2)?;
    let age_ms: i64 = decode::get(row, 4)?;
    Ok(NodeEntry {
        node: NodeRecord {
            name,
            address: decode::get(row, 1)?,
            // A node of a newer version may host domains that this one does not know.
            domains: domains
                .iter()
                .filter_map(|name| Domain::from_name(name))
                .collect(),
            status,
        },
        // The clock of the database may be set back.
        age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
    })
}

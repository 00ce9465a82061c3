//! The stores that are meant, opened for what an archive needs of them.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use domain::ShardRef;
use storage::{
    Archive, Directory, LogSnapshot, Snapshot,
    mongo::MongoActivitySnapshot,
    postgres::{PostgresSnapshot, PostgresStore},
    sqlite::{ActivitySnapshot, SqliteArchive, SqliteSnapshot},
};

use crate::{
    cluster::stores::{mongo_options, postgres_options},
    config::ClusterConfig,
    place::Place,
};

/// How far everybody has read each journal who does so without a link: nobody has to go back beyond it. A journal that
/// is not named has not been read at all where `is_complete`.
#[derive(Debug, Default)]
pub(super) struct ReadByOthers {
    pub(super) positions: BTreeMap<ShardRef, u64>,
    /// Whether there is somebody who reads all journals.
    pub(super) is_complete: bool,
}

impl ReadByOthers {
    /// Somebody who reads all journals has come so far with them.
    pub(super) fn and(mut self, positions: BTreeMap<ShardRef, u64>) -> Self {
        if self.is_complete {
            self.positions = std::mem::take(&mut self.positions)
                .into_iter()
                .filter_map(|(shard, position)| {
                    Some((shard, position.min(*positions.get(&shard)?)))
                })
                .collect();
        } else {
            self.positions = positions;
            self.is_complete = true;
        }
        self
    }

    /// How far everybody has read this journal, which ends at `last`.
    pub(super) fn position(&self, shard: ShardRef, last: u64) -> u64 {
        if self.is_complete {
            self.positions.get(&shard).copied().unwrap_or(0)
        } else {
            last
        }
    }
}

/// One moment of the journals.
pub(super) async fn snapshot(place: &Place) -> Result<Box<dyn Snapshot>> {
    Ok(match place {
        Place::Directory(dir) => Box::new(SqliteSnapshot::open(dir).await?),
        Place::Cluster(config) => Box::new(PostgresSnapshot::open(postgres_options(config)).await?),
    })
}

/// The journals, to be written to.
pub(super) async fn archive(place: &Place) -> Result<Box<dyn Archive>> {
    Ok(match place {
        Place::Directory(dir) => Box::new(SqliteArchive::open(dir).await?),
        Place::Cluster(config) => Box::new(PostgresStore::open(postgres_options(config)).await?),
    })
}

/// How far the activity log and the publisher have come.
pub(super) async fn read_by_others(place: &Place) -> Result<ReadByOthers> {
    let read = ReadByOthers::default();
    match place {
        Place::Directory(dir) => {
            let mut log = ActivitySnapshot::open(dir).await?;
            Ok(read.and(
                LogSnapshot::watermarks(&mut log)
                    .await?
                    .into_iter()
                    .collect(),
            ))
        }
        Place::Cluster(config) => read_in_cluster(config, read).await,
    }
}

async fn read_in_cluster(config: &ClusterConfig, mut read: ReadByOthers) -> Result<ReadByOthers> {
    let store = PostgresStore::open(postgres_options(config)).await?;
    if let Some(mongodb) = &config.mongodb {
        let options = mongo_options(mongodb, Arc::new(store.incarnations()));
        let mut log = MongoActivitySnapshot::open(mongodb.url.expose(), options).await?;
        read = read.and(
            LogSnapshot::watermarks(&mut log)
                .await?
                .into_iter()
                .collect(),
        );
    }
    if config.kafka.is_some() {
        let shards: Vec<ShardRef> = store.topology().journals().collect();
        let published = store.published(&shards).await?.into_iter();
        read = read.and(
            published
                .map(|(shard, cursors)| (shard, cursors.public.min(cursors.inbox)))
                .collect(),
        );
    }
    Ok(read)
}

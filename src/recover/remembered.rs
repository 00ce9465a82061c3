//! What others remember of the journals, as it comes from them.

use std::{ops::ControlFlow, sync::Arc};

use actors::transport::kafka::{KafkaConfig, codec::Content, read_after, reader::PublicRecord};
use anyhow::{Context, Result};
use domain::{ShardRef, Timestamp};
use futures::{StreamExt, TryStreamExt, future::join, stream};
use storage::{
    LostEvent,
    mongo::MongoActivitySnapshot,
    postgres::{LostRecord, Recovery},
};
use tokio::sync::mpsc;

use super::plan::{Journals, Lost};

/// Partitions that are read at a time.
const PARTITIONS: usize = 4;
/// Records between reading and noting.
const BETWEEN: usize = 1_000;
/// The type of what is so malformed that it does not tell.
const UNKNOWN_TYPE: &str = "unknown";

/// Notes what the public topics remember and the journals do not have.
pub(super) async fn from_kafka(
    kafka: &KafkaConfig,
    journals: &Arc<Journals>,
    lost: &mut Lost,
    recovery: &mut Recovery,
) -> Result<()> {
    let (sender, mut receiver) = mpsc::channel(BETWEEN);
    let reading = async move {
        let shards = journals.shards();
        let reads = shards
            .into_iter()
            .map(|shard| read_shard(kafka, shard, journals.clone(), sender.clone()));
        let reads: Vec<_> = reads.collect();
        drop(sender);
        stream::iter(reads)
            .buffer_unordered(PARTITIONS)
            .try_collect::<()>()
            .await
    };
    // It owns the receiver, so that readers end if it fails.
    let noting = async move {
        while let Some(record) = receiver.recv().await {
            lost.note(record, recovery).await?;
        }
        anyhow::Ok(())
    };
    let (read, noted) = join(reading, noting).await;
    noted?;
    read
}

/// Reads a partition. All of it: records of a life that the database knows nothing of may stand anywhere.
async fn read_shard(
    kafka: &KafkaConfig,
    shard: ShardRef,
    journals: Arc<Journals>,
    sender: mpsc::Sender<LostRecord>,
) -> Result<()> {
    let take = move |record: PublicRecord| {
        let address = &record.address;
        if journals.have(shard, &address.incarnation, address.position) {
            return ControlFlow::Continue(());
        }
        match sender.blocking_send(lost_record(record)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    Ok(read_after(kafka, shard, 0, take).await?)
}

fn lost_record(record: PublicRecord) -> LostRecord {
    let content = record.content.unwrap_or_else(|_| Content {
        event_type: UNKNOWN_TYPE.to_owned(),
        aggregate_id: 0,
        time: Timestamp::from_millis(0),
        trace: None,
        payload: Vec::new(),
    });
    LostRecord {
        event: LostEvent {
            shard: record.address.source,
            incarnation: record.address.incarnation,
            position: record.address.position,
            aggregate_id: content.aggregate_id,
            time: content.time,
            event_type: content.event_type,
        },
        payload: content.payload,
    }
}

/// Notes what the activity log remembers beyond the ends of the journals.
pub(super) async fn from_log(
    log: &MongoActivitySnapshot,
    journals: &Journals,
    lost: &mut Lost,
    recovery: &mut Recovery,
) -> Result<()> {
    for shard in journals.shards() {
        let note = async |event: LostEvent| {
            let payload = Vec::new();
            lost.note(LostRecord { event, payload }, recovery).await
        };
        log.remembered_above(shard, journals.end(shard), note)
            .await
            .context("the activity log in MongoDB")?;
    }
    Ok(())
}

//! The parts of a batch's statement that every domain has: heads, links, records, keys and parked commands.

use std::collections::BTreeMap;

use domain::{ShardRef, Timestamp};
use engine::ShardCommit;

use super::{batch::BatchStatement, bind::text, decode::trace_to_bytes};
use crate::{KeyRecord, NewRecord, ParkedRow, StorageError, links};

pub(super) type Commit = ShardCommit<ShardRef, NewRecord>;

/// Moves heads on. Those that are not as the commits expect them are left alone, and the count tells.
pub(super) fn move_heads(
    statement: &mut BatchStatement,
    schema: &str,
    commits: &[&Commit],
) -> Result<String, StorageError> {
    let all = || commits.iter();
    let rows = statement
        .rows()
        .shards(all().map(|commit| commit.shard.shard))?
        .numbers(all().map(|commit| commit.epoch))?
        .numbers(all().map(|commit| commit.revision))?
        .numbers(all().map(|commit| position_before(commit)))?
        .numbers(all().map(|commit| commit.last_position))?
        .numbers(all().map(|commit| commit.last_id))?;
    Ok(rows.around(
        &format!(
            "UPDATE {schema}.head AS head SET last_position = new.last_position, \
             revision = head.revision + 1, last_id = new.last_id FROM"
        ),
        "AS new (shard, epoch, revision, position_before, last_position, last_id) \
         WHERE head.shard = new.shard AND head.epoch = new.epoch AND head.revision = new.revision \
         AND head.last_position = new.position_before",
    ))
}

/// The position of the shard's newest record before the commit.
pub(super) fn position_before(commit: &Commit) -> u64 {
    commit
        .last_position
        .wrapping_sub(commit.records.len() as u64)
}

/// Links that have moved, sent and applied in one row.
pub(super) fn write_links(
    statement: &mut BatchStatement,
    schema: &str,
    commits: &[&Commit],
) -> Result<(), StorageError> {
    let mut links: BTreeMap<(u16, ShardRef), (u64, u64)> = BTreeMap::new();
    for commit in commits {
        for (&peer, &sent) in &commit.sent {
            links.entry((commit.shard.shard, peer)).or_default().0 = sent;
        }
        for (&peer, &watermark) in &commit.watermarks {
            links.entry((commit.shard.shard, peer)).or_default().1 = watermark;
        }
    }
    if links.is_empty() {
        return Ok(());
    }
    statement
        .rows()
        .shards(links.keys().map(|(shard, _)| *shard))?
        .column(links.keys().map(|(_, peer)| i16::from(peer.domain.code())))?
        .shards(links.keys().map(|(_, peer)| peer.shard))?
        .numbers(links.values().map(|(sent, _)| *sent))?
        .numbers(links.values().map(|(_, watermark)| *watermark))?
        .insert(
            &format!("{schema}.link AS link (shard, peer_domain, peer_shard, sent, watermark)"),
            "ON CONFLICT (shard, peer_domain, peer_shard) DO UPDATE SET \
             sent = greatest(link.sent, excluded.sent), watermark = greatest(link.watermark, excluded.watermark)",
        );
    Ok(())
}

/// Records of the journal.
pub(super) fn write_records(
    statement: &mut BatchStatement,
    schema: &str,
    commits: &[&Commit],
) -> Result<(), StorageError> {
    let all = || {
        commits
            .iter()
            .flat_map(|commit| commit.records.iter().map(|record| (commit.shard, record)))
    };
    if all().next().is_none() {
        return Ok(());
    }
    let trace = |record: &NewRecord| record.trace.as_ref().map(trace_to_bytes);
    statement
        .rows()
        .shards(all().map(|(shard, _)| shard.shard))?
        .numbers(all().map(|(_, record)| record.position))?
        .numbers(all().map(|(_, record)| record.payload.aggregate_id))?
        .numbers(all().map(|(_, record)| record.payload.seq))?
        .column(all().map(|(_, record)| record.payload.time.as_millis()))?
        .column(all().map(|(_, record)| record.payload.event_type))?
        .column(all().map(|(_, record)| record.payload.payload.as_slice()))?
        .column(all().map(|(_, record)| links::to_text(&record.stamps)))?
        .column(all().map(|(_, record)| trace(&record.payload)))?
        .insert(
            &format!(
                "{schema}.journal (shard, position, aggregate_id, seq, time_ms, event_type, payload, links, trace)"
            ),
            "",
        );
    Ok(())
}

/// Keys that are taken at that time. One that another aggregate owns and that has not expired is left alone, and the
/// count tells.
pub(super) fn write_keys(
    statement: &mut BatchStatement,
    schema: &str,
    keys: &[&KeyRecord],
    taken_at_ms: i64,
) -> Result<String, StorageError> {
    let all = || keys.iter();
    let rows = statement
        .rows()
        .column(all().map(|record| text(&record.key.text)))?
        .shards(all().map(|record| record.key.shard.shard))?
        .numbers(all().map(|record| record.owner.aggregate_id))?
        .column(all().map(|record| record.owner.fingerprint.as_slice()))?
        .column(all().map(|_| taken_at_ms))?
        .column(all().map(|record| record.owner.expires_at.map(Timestamp::as_millis)))?;
    Ok(rows.insert(
        &format!(
            "{schema}.keys AS known (text, shard, aggregate_id, fingerprint, taken_at_ms, expires_at_ms)"
        ),
        "ON CONFLICT (text) DO UPDATE SET shard = excluded.shard, aggregate_id = excluded.aggregate_id, \
         fingerprint = excluded.fingerprint, taken_at_ms = excluded.taken_at_ms, \
         expires_at_ms = excluded.expires_at_ms \
         WHERE known.aggregate_id = excluded.aggregate_id OR known.expires_at_ms <= excluded.taken_at_ms",
    ))
}

/// Commands parked.
pub(super) fn write_parked(
    statement: &mut BatchStatement,
    schema: &str,
    parked: &[&ParkedRow],
) -> Result<(), StorageError> {
    if parked.is_empty() {
        return Ok(());
    }
    let all = || parked.iter().map(|row| &row.command);
    statement
        .rows()
        .shards(parked.iter().map(|row| row.shard.shard))?
        .numbers(all().map(|command| command.id))?
        .column(parked.iter().map(|row| row.parked_at.as_millis()))?
        .column(all().map(|command| i16::from(command.source_domain.code())))?
        .shards(all().map(|command| command.source_shard))?
        .numbers(all().map(|command| command.source_position))?
        .numbers(all().map(|command| command.aggregate_id))?
        .column(all().map(|command| command.order_id.map(|id| id.get().cast_signed())))?
        .column(all().map(|command| text(&command.event_type)))?
        .column(all().map(|command| command.payload.as_slice()))?
        .column(all().map(|command| text(&command.error)))?
        .insert(
            &format!(
                "{schema}.parked (shard, id, parked_at_ms, source_domain, source_shard, source_position, \
                 aggregate_id, order_id, event_type, payload, error)"
            ),
            "ON CONFLICT (shard, id) DO UPDATE SET error = excluded.error",
        );
    Ok(())
}

/// Parked commands that are done with.
pub(super) fn remove_parked(
    statement: &mut BatchStatement,
    schema: &str,
    unparked: &[(u16, u64)],
) -> Result<(), StorageError> {
    if unparked.is_empty() {
        return Ok(());
    }
    let rows = statement
        .rows()
        .shards(unparked.iter().map(|(shard, _)| *shard))?
        .numbers(unparked.iter().map(|(_, id)| *id))?;
    rows.around(
        &format!("DELETE FROM {schema}.parked AS parked USING"),
        "AS gone (shard, id) WHERE parked.shard = gone.shard AND parked.id = gone.id",
    );
    Ok(())
}

//! The statements of one domain that have the same text every time. They differ from domain to domain in the name of
//! the schema alone.

use std::sync::Arc;

use domain::Domain;

use super::{decode, schema};

/// The texts for one domain.
pub(super) struct Statements {
    /// Raises a shard's epoch.
    pub(super) claim: Arc<str>,
    /// Takes its owner from a shard.
    pub(super) release: Arc<str>,
    /// Shards whose epoch is not the given one.
    pub(super) verify: Arc<str>,
    /// Heads of shards, with their links.
    pub(super) heads: Arc<str>,
    /// Records of a shard.
    pub(super) read: Arc<str>,
    /// Records of a shard that are addressed to another.
    pub(super) read_link: Arc<str>,
    /// Owners of keys.
    pub(super) find_keys: Arc<str>,
    /// Forgets expired keys.
    pub(super) purge_keys: Arc<str>,
    /// Parked commands of a shard.
    pub(super) parked: Arc<str>,
    /// Parked commands of all shards.
    pub(super) all_parked: Arc<str>,
    /// How far publishers have come.
    pub(super) published: Arc<str>,
    /// Remembers how far publishers have come.
    pub(super) set_published: Arc<str>,
    /// Owners and epochs of all shards, to be put together with those of other domains.
    pub(super) owners: String,
}

impl Statements {
    pub(super) fn of(domain: Domain) -> Self {
        let schema = schema::of(domain);
        let (record, parked) = (decode::RECORD, decode::PARKED);
        Self {
            claim: claim(schema),
            release: format!(
                "UPDATE {schema}.head SET owner = NULL WHERE shard = $1 AND epoch = $2"
            )
            .into(),
            verify: format!(
                "SELECT asked.shard FROM unnest($1, $2) AS asked (shard, epoch) \
                 LEFT JOIN {schema}.head AS head USING (shard) \
                 WHERE head.epoch IS DISTINCT FROM asked.epoch ORDER BY asked.shard"
            )
            .into(),
            heads: heads(schema),
            read: format!(
                "SELECT {record} FROM {schema}.journal WHERE shard = $1 AND position > $2 \
                 ORDER BY position LIMIT $3"
            )
            .into(),
            read_link: read_link(schema),
            find_keys: format!(
                "SELECT wanted.nth, taken.aggregate_id, taken.fingerprint, taken.expires_at_ms \
                 FROM unnest($1) WITH ORDINALITY AS wanted (text, nth) \
                 JOIN {schema}.keys AS taken USING (text)"
            )
            .into(),
            purge_keys: format!(
                "WITH gone AS (DELETE FROM {schema}.keys WHERE text IN \
                 (SELECT text FROM {schema}.keys WHERE expires_at_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) \
                 RETURNING 1) SELECT count(*) FROM gone"
            )
            .into(),
            parked: format!(
                "SELECT {parked} FROM {schema}.parked WHERE shard = $1 ORDER BY id"
            )
            .into(),
            all_parked: format!(
                "SELECT {parked} FROM {schema}.parked ORDER BY parked_at_ms, shard, id LIMIT $1"
            )
            .into(),
            published: format!(
                "SELECT shard, public, inbox FROM {schema}.published WHERE shard = ANY ($1)"
            )
            .into(),
            set_published: set_published(schema),
            owners: format!(
                "SELECT {}::int2 AS domain, shard, owner, epoch FROM {schema}.head",
                domain.code()
            ),
        }
    }
}

/// Raises the epoch, or makes a head with the first one.
///
/// A shard without a head has epoch 0. A later epoch of the same owner is an earlier attempt of its own, which was
/// committed although the caller did not learn of it. The condition of the update is looked at again once the row is
/// locked, so of two claims with the same expectation one finds that the other has come first.
fn claim(schema: &str) -> Arc<str> {
    format!(
        "INSERT INTO {schema}.head AS head (shard, epoch, owner, last_position, revision, last_id) \
         SELECT $1, 1, $2, 0, 0, 0 \
         WHERE coalesce($3, 0) = 0 OR EXISTS (SELECT FROM {schema}.head WHERE shard = $1) \
         ON CONFLICT (shard) DO UPDATE SET epoch = head.epoch + 1, owner = excluded.owner \
         WHERE $3 IS NULL OR head.epoch = $3 OR (head.epoch > $3 AND head.owner = excluded.owner) \
         RETURNING epoch"
    )
    .into()
}

fn heads(schema: &str) -> Arc<str> {
    format!(
        "SELECT head.shard, head.epoch, head.last_position, head.revision, head.last_id, \
         link.peer_domain, link.peer_shard, link.sent, link.watermark \
         FROM {schema}.head AS head LEFT JOIN {schema}.link AS link USING (shard) \
         WHERE head.shard = ANY ($1) ORDER BY head.shard"
    )
    .into()
}

/// Nothing for the target stands behind the last position sent to it, so the rest of the journal is not read.
fn read_link(schema: &str) -> Arc<str> {
    format!(
        "SELECT {} FROM {schema}.journal WHERE shard = $1 AND position > $2 \
         AND position <= (SELECT sent FROM {schema}.link \
         WHERE shard = $1 AND peer_domain = $3 AND peer_shard = $4) \
         AND strpos(links, $5) > 0 ORDER BY position LIMIT $6",
        decode::RECORD
    )
    .into()
}

fn set_published(schema: &str) -> Arc<str> {
    format!(
        "INSERT INTO {schema}.published AS known (shard, public, inbox) \
         SELECT shard, max(public), max(inbox) FROM unnest($1, $2, $3) AS new (shard, public, inbox) \
         GROUP BY shard ORDER BY shard \
         ON CONFLICT (shard) DO UPDATE SET public = greatest(known.public, excluded.public), \
         inbox = greatest(known.inbox, excluded.inbox) \
         WHERE known.public < excluded.public OR known.inbox < excluded.inbox"
    )
    .into()
}

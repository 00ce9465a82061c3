//! Which life of a database a record was written in.
//!
//! A database that is restored to an earlier backup forgets records that others have seen: they were published, logged,
//! acted upon. What it records from then on gets the same positions. So every shard has an *incarnation*, which
//! `stampede recover` renews, and a record is named by its shard, its incarnation and its position. A record's incarnation
//! never changes: records that survived the restore keep the one they were written in.

use std::collections::BTreeMap;

use domain::{Domain, ShardRef};

/// From which position on which incarnation applies, per shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incarnations {
    shards: BTreeMap<ShardRef, BTreeMap<u64, String>>,
}

impl Incarnations {
    /// The incarnations in this list of (shard, first position, incarnation).
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = (ShardRef, u64, String)>) -> Self {
        let mut shards: BTreeMap<ShardRef, BTreeMap<u64, String>> = BTreeMap::new();
        for (shard, first_position, incarnation) in list {
            shards
                .entry(shard)
                .or_default()
                .insert(first_position, incarnation);
        }
        Self { shards }
    }

    /// The incarnation to which the record of a shard at this position belongs; empty if the shard has none.
    #[must_use]
    pub fn of(&self, shard: ShardRef, position: u64) -> &str {
        self.shards
            .get(&shard)
            .and_then(|lives| lives.range(..=position.max(1)).next_back())
            .map_or("", |(_, incarnation)| incarnation.as_str())
    }

    /// The incarnation in which a shard writes now; empty if the shard has none.
    #[must_use]
    pub fn current(&self, shard: ShardRef) -> &str {
        self.of(shard, u64::MAX)
    }

    /// Whether a shard has ever written in this incarnation.
    #[must_use]
    pub fn is_known(&self, shard: ShardRef, incarnation: &str) -> bool {
        let lives = self.shards.get(&shard);
        lives.is_some_and(|lives| lives.values().any(|life| life == incarnation))
    }

    /// The name of the source of a record, `/orders/shards/7/<incarnation>`: with the position it names the record.
    #[must_use]
    pub fn source(&self, shard: ShardRef, position: u64) -> String {
        source_name(shard, self.of(shard, position))
    }
}

/// The name of a source, `/orders/shards/7/<incarnation>`.
#[must_use]
pub fn source_name(shard: ShardRef, incarnation: &str) -> String {
    format!(
        "/{}/shards/{}/{incarnation}",
        shard.domain.name(),
        shard.shard
    )
}

/// The shard and the incarnation that a source's name tells of; `None` if it is not one.
#[must_use]
pub fn parse_source_name(name: &str) -> Option<(ShardRef, &str)> {
    let mut parts = name.strip_prefix('/')?.split('/');
    let domain = Domain::from_name(parts.next()?)?;
    if parts.next()? != "shards" {
        return None;
    }
    let shard = parts.next()?.parse().ok()?;
    let incarnation = parts.next()?;
    (parts.next().is_none() && !incarnation.is_empty())
        .then_some((ShardRef { domain, shard }, incarnation))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SHARD: ShardRef = ShardRef {
        domain: Domain::Orders,
        shard: 7,
    };

    #[test]
    fn a_record_keeps_the_incarnation_it_was_written_in() {
        let lives = Incarnations::new([
            (SHARD, 1, "first".to_owned()),
            (SHARD, 11, "second".to_owned()),
        ]);
        assert_eq!(lives.of(SHARD, 10), "first");
        assert_eq!(lives.of(SHARD, 11), "second");
        assert_eq!(lives.current(SHARD), "second");
        assert!(lives.is_known(SHARD, "first") && !lives.is_known(SHARD, "third"));
        assert_eq!(lives.source(SHARD, 3), "/orders/shards/7/first");
    }

    #[test]
    fn a_name_tells_its_shard_and_nothing_else_is_one() {
        assert_eq!(
            parse_source_name("/orders/shards/7/abc").unwrap(),
            (SHARD, "abc")
        );
        for wrong in [
            "",
            "/orders/shards/7",
            "/orders/shards/7/",
            "/orders/shards/x/abc",
            "/nothing/shards/7/abc",
            "/orders/shards/7/abc/more",
            "orders/shards/7/abc",
        ] {
            assert_eq!(parse_source_name(wrong), None, "{wrong}");
        }
    }
}

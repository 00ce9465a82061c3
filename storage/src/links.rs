//! The column `links` of a journal row, in every store: the record's places on inbox links.
//!
//! `,3/1:41,3/2:7,` says that it is addressed to shard 1 of domain 3, where the record before it on that link has
//! position 41, and to shard 2. Each target stands between a comma and a colon, so that looking for `,3/1:` finds
//! exactly the records for that target.

use std::fmt::Write;

use domain::{Domain, ShardRef};
use engine::Stamp;

/// The column's text; `None` for a record that is addressed to nobody.
pub(crate) fn to_text(stamps: &[Stamp<ShardRef>]) -> Option<String> {
    if stamps.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(2 + stamps.len() * 12);
    for stamp in stamps {
        let (domain, shard) = (stamp.target.domain.code(), stamp.target.shard);
        // Writing into a string does not fail.
        let _ = write!(text, ",{domain}/{shard}:{}", stamp.prev);
    }
    text.push(',');
    Some(text)
}

/// What the text of a record for this target contains, and no other.
pub(crate) fn needle(target: ShardRef) -> String {
    format!(",{}/{}:", target.domain.code(), target.shard)
}

/// The stamps of the text, or `None` if it is malformed.
pub(crate) fn from_text(text: &str) -> Option<Vec<Stamp<ShardRef>>> {
    let inner = text.strip_prefix(',')?.strip_suffix(',')?;
    inner.split(',').map(stamp).collect()
}

fn stamp(text: &str) -> Option<Stamp<ShardRef>> {
    let (target, prev) = text.split_once(':')?;
    let (domain, shard) = target.split_once('/')?;
    Some(Stamp {
        target: ShardRef {
            domain: Domain::from_code(domain.parse().ok()?)?,
            shard: shard.parse().ok()?,
        },
        prev: prev.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn to(shard: u16, prev: u64) -> Stamp<ShardRef> {
        let domain = Domain::Products;
        Stamp {
            target: ShardRef { domain, shard },
            prev,
        }
    }

    #[test]
    fn stamps_come_back() {
        let stamps = vec![to(1, 41), to(12, 0)];
        let text = to_text(&stamps).unwrap();
        assert_eq!(text, ",3/1:41,3/12:0,");
        assert_eq!(from_text(&text), Some(stamps));
        assert_eq!(to_text(&[]), None);
    }

    #[test]
    fn one_target_is_not_taken_for_another() {
        let text = to_text(&[to(1, 3), to(12, 1)]).unwrap();
        for (shard, found) in [(1, true), (12, true), (2, false), (11, false)] {
            assert_eq!(text.contains(&needle(to(shard, 0).target)), found);
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for bad in ["", ",", ",,", "3/1:4", ",3/1,", ",9/1:4,", ",3/70000:4,"] {
            assert_eq!(from_text(bad), None, "{bad}");
        }
    }
}

//! What to do about a shard that this node does not serve. No clock, no I/O.

use std::time::Duration;

use domain::ShardRef;
use storage::DirectoryView;

use crate::runtime::shards::shard_of_name;

/// A shard that nobody serves and nobody wants is left alone for so long, if the feed works or may be about to: somebody
/// may be about to want it.
pub(super) const ORPHAN_WAIT: Duration = Duration::from_secs(8);

/// How a node decides about ownership.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// An owner that was not heard of for so long counts as dead.
    pub claim_after: Duration,
    /// How long an owner that was asked for a shard has to give it up.
    pub handover_wait: Duration,
}

/// The owner of a shard as the directory knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Me,
    Alive,
    Dead,
}

/// What is known of a shard that this node does not serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) is_wanted: bool,
    pub(super) is_member: bool,
    /// Whether the feed may be about to tell somebody to serve it.
    pub(super) may_be_wanted_soon: bool,
    pub(super) owner: Owner,
    /// Since when its owner has been asked for it.
    pub(super) asked_for: Option<Duration>,
    /// Since when nobody has served it.
    pub(super) orphaned_for: Option<Duration>,
    pub(super) is_first_in_line: bool,
}

/// What to do about a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Leave,
    Claim,
    Ask,
}

/// What to do about a shard that this node does not serve.
pub(super) fn step(sight: &Sight, policy: &Policy) -> Step {
    if sight.owner == Owner::Me {
        // It was claimed by this node in an earlier life of the process, and nobody serves it.
        return Step::Claim;
    }
    let is_free = sight.owner != Owner::Alive;
    if sight.is_wanted {
        return match sight.asked_for {
            _ if is_free => Step::Claim,
            Some(asked) if asked >= policy.handover_wait && sight.is_member => Step::Claim,
            None if sight.is_member => Step::Ask,
            // Who is not in the group any more does not know what it should have.
            _ => Step::Leave,
        };
    }
    let wait = if sight.may_be_wanted_soon {
        ORPHAN_WAIT
    } else {
        Duration::ZERO
    };
    let is_orphan = sight.orphaned_for.is_some_and(|since| since >= wait);
    if is_free && is_orphan && sight.is_first_in_line {
        Step::Claim
    } else {
        Step::Leave
    }
}

/// What a node has to know to understand what a directory says of the owner of a shard.
pub(super) struct Judge<'a> {
    pub(super) me: &'a str,
    /// The last epoch in which this node served the shard, if it gave it up.
    pub(super) given_up: Option<u64>,
    /// An owner that was not heard of for so long is dead; `None` while that cannot be told.
    pub(super) dead_after: Option<Duration>,
}

impl Judge<'_> {
    /// The owner of a shard, with its name.
    pub(super) fn owner(&self, view: &DirectoryView, shard: ShardRef) -> (Owner, Option<String>) {
        let known = view.owners.iter().find(|entry| entry.shard == shard);
        let Some((name, epoch)) = known.and_then(|it| Some((it.owner.clone()?, it.epoch))) else {
            return (Owner::Nobody, None);
        };
        if name == self.me {
            let is_outdated = self.given_up.is_some_and(|given_up| epoch <= given_up);
            let owner = if is_outdated {
                Owner::Nobody
            } else {
                Owner::Me
            };
            return (owner, Some(name));
        }
        let is_dead = match view.nodes.iter().find(|entry| entry.node.name == name) {
            // It has left.
            None => true,
            Some(entry) => self.dead_after.is_some_and(|limit| entry.age >= limit),
        };
        let owner = if is_dead { Owner::Dead } else { Owner::Alive };
        (owner, Some(name))
    }
}

/// A node's place in the line for a shard: the larger, the earlier.
pub(super) fn place_in_line(node: &str, shard: ShardRef) -> u16 {
    shard_of_name(&format!("{shard} {node}"), u16::MAX)
}

#[cfg(test)]
mod tests {
    use domain::Domain;

    use super::*;

    const POLICY: Policy = Policy {
        claim_after: Duration::from_secs(5),
        handover_wait: Duration::from_secs(5),
    };
    const WANTED: Sight = Sight {
        is_wanted: true,
        is_member: true,
        may_be_wanted_soon: true,
        owner: Owner::Alive,
        asked_for: None,
        orphaned_for: None,
        is_first_in_line: false,
    };

    #[test]
    fn a_wanted_shard_is_asked_for_and_taken_in_the_end() {
        assert_eq!(step(&WANTED, &POLICY), Step::Ask);
        let mut asked = WANTED;
        asked.asked_for = Some(Duration::from_secs(4));
        assert_eq!(step(&asked, &POLICY), Step::Leave);
        asked.asked_for = Some(Duration::from_secs(5));
        assert_eq!(step(&asked, &POLICY), Step::Claim);
    }

    #[test]
    fn a_wanted_shard_without_a_living_owner_is_claimed_at_once() {
        for owner in [Owner::Nobody, Owner::Dead, Owner::Me] {
            for is_member in [false, true] {
                let sight = Sight {
                    owner,
                    is_member,
                    ..WANTED
                };
                assert_eq!(step(&sight, &POLICY), Step::Claim, "{sight:?}");
            }
        }
    }

    #[test]
    fn what_an_earlier_life_of_the_process_served_is_claimed_at_once() {
        let sight = Sight {
            is_wanted: false,
            is_member: false,
            owner: Owner::Me,
            ..WANTED
        };
        assert_eq!(step(&sight, &POLICY), Step::Claim);
    }

    #[test]
    fn who_has_lost_its_group_asks_for_nothing_and_takes_nothing_from_the_living() {
        for asked_for in [None, Some(Duration::from_secs(60))] {
            let sight = Sight {
                is_member: false,
                asked_for,
                ..WANTED
            };
            assert_eq!(step(&sight, &POLICY), Step::Leave, "{sight:?}");
        }
    }

    #[test]
    fn an_orphan_is_claimed_by_the_first_in_line_only() {
        let mut orphan = Sight {
            is_wanted: false,
            is_member: false,
            may_be_wanted_soon: false,
            owner: Owner::Dead,
            orphaned_for: Some(Duration::ZERO),
            is_first_in_line: true,
            ..WANTED
        };
        assert_eq!(step(&orphan, &POLICY), Step::Claim);
        orphan.may_be_wanted_soon = true;
        assert_eq!(step(&orphan, &POLICY), Step::Leave);
        orphan.orphaned_for = Some(ORPHAN_WAIT);
        assert_eq!(step(&orphan, &POLICY), Step::Claim);
        orphan.is_first_in_line = false;
        assert_eq!(step(&orphan, &POLICY), Step::Leave);
    }

    #[test]
    fn a_shard_of_a_living_owner_that_nobody_wants_is_left_to_it() {
        let sight = Sight {
            is_wanted: false,
            is_first_in_line: true,
            orphaned_for: Some(Duration::from_secs(60)),
            ..WANTED
        };
        assert_eq!(step(&sight, &POLICY), Step::Leave);
    }

    #[test]
    fn every_node_is_first_in_line_for_some_shard() {
        let first_for = |node: &str, shard: u16| {
            let shard = ShardRef {
                domain: Domain::Orders,
                shard,
            };
            place_in_line(node, shard) > place_in_line(if node == "a" { "b" } else { "a" }, shard)
        };
        assert!((0..64).any(|shard| first_for("a", shard)));
        assert!((0..64).any(|shard| first_for("b", shard)));
    }

    #[test]
    fn a_reading_from_before_a_shard_was_given_up_says_nothing() {
        let shard = ShardRef {
            domain: Domain::Orders,
            shard: 0,
        };
        let view = |epoch| DirectoryView {
            nodes: Vec::new(),
            owners: vec![storage::OwnerEntry {
                shard,
                owner: Some("me".to_owned()),
                epoch,
            }],
        };
        let owner = |given_up, epoch| {
            let judge = Judge {
                me: "me",
                given_up,
                dead_after: None,
            };
            judge.owner(&view(epoch), shard).0
        };
        assert_eq!(
            owner(None, 4),
            Owner::Me,
            "of an earlier life of the process"
        );
        assert_eq!(owner(Some(4), 4), Owner::Nobody, "outdated");
        assert_eq!(owner(Some(4), 5), Owner::Me, "claimed since");
    }
}

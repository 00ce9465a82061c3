//! Keys that can be taken once: usernames, SKUs, idempotency keys.
//!
//! Before a command with a key is decided, its key is looked up: first among those that were taken lately (their
//! commits may be under way), then in storage, many in one query. A key stays among those taken lately until it is
//! committed and every query that began before is over, so that none can miss it.

use std::{collections::HashMap, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use domain::{Aggregate, ShardRef};
use engine::Ticket;
use storage::{Key, KeyOwner, KeyRecord};

use super::{
    ShardActor,
    turns::{Origin, Turn},
};
use crate::{
    Unavailable,
    runtime::{
        Host,
        messages::{Execute, ExecuteError, Executed, KeyClaim},
    },
};

/// Keys of one query at most.
const LOOKUP_MAX: usize = 500;
/// How long a key stays among those taken lately at least; longer than any query.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// What a shard knows of keys.
pub(super) struct KeyClaims<A: Aggregate> {
    waiting: Vec<Execute<A>>,
    looking_up: Vec<Execute<A>>,
    taken: HashMap<String, Taken>,
}

/// A key that was taken lately.
struct Taken {
    owner: KeyOwner,
    ticket: Ticket,
    at: Duration,
}

impl<A: Aggregate> Default for KeyClaims<A> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            looking_up: Vec::new(),
            taken: HashMap::new(),
        }
    }
}

impl<A: Aggregate> KeyClaims<A> {
    /// Commands that wait for their keys to be looked up.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.looking_up.len()
    }

    /// Forgets everything; gives back the commands that were waiting.
    pub(super) fn forget(&mut self) -> Vec<Execute<A>> {
        self.taken.clear();
        let mut commands = std::mem::take(&mut self.looking_up);
        commands.append(&mut self.waiting);
        commands
    }

    /// Notes that a key is taken by a command that has begun.
    pub(super) fn taken(&mut self, key: &KeyRecord, ticket: Ticket, now: Duration) {
        self.taken.insert(
            key.key.text.clone(),
            Taken {
                owner: key.owner.clone(),
                ticket,
                at: now,
            },
        );
    }

    /// Whether a key that was taken lately still is.
    pub(super) fn is_taken(&self, key: &KeyRecord) -> bool {
        self.taken
            .get(&key.key.text)
            .is_some_and(|taken| taken.owner == key.owner)
    }

    /// Notes that nothing came of the command that took a key.
    pub(super) fn freed(&mut self, key: &KeyRecord) {
        if self.is_taken(key) {
            self.taken.remove(&key.key.text);
        }
    }

    /// Forgets keys that every query finds in storage by now: those of turns up to `committed`, after a while.
    pub(super) fn purge(&mut self, now: Duration, committed: Ticket) {
        self.taken.retain(|_, taken| {
            taken.ticket > committed || now.saturating_sub(taken.at) < REMEMBERED_FOR
        });
    }
}

impl<H: Host> ShardActor<H> {
    /// Has a command's key looked up, and then begins it, or answers that the key is taken.
    pub(super) fn look_up_key(&mut self, execute: Execute<H::Aggregate>, ctx: &mut Context<Self>) {
        self.keys.waiting.push(execute);
        self.look_up_waiting(ctx);
    }

    fn look_up_waiting(&mut self, ctx: &mut Context<Self>) {
        if !self.keys.looking_up.is_empty() || self.keys.waiting.is_empty() {
            return;
        }
        let count = self.keys.waiting.len().min(LOOKUP_MAX);
        self.keys.looking_up = self.keys.waiting.drain(..count).collect();
        let keys: Vec<Key> = self
            .keys
            .looking_up
            .iter()
            .filter_map(|execute| execute.key.as_ref())
            .map(|claim| key(self.shard, claim))
            .collect();
        let life = self.life;
        let journal = self.env.journal.clone();
        let reading = async move { journal.find_keys(&keys).await };
        ctx.spawn(reading.into_actor(self).map(move |found, this, ctx| {
            if !this.is_current(life) {
                return;
            }
            let commands = std::mem::take(&mut this.keys.looking_up);
            match found {
                Ok(found) => {
                    let found: HashMap<String, KeyOwner> = found
                        .into_iter()
                        .map(|record| (record.key.text, record.owner))
                        .collect();
                    for execute in commands {
                        this.decide_key(execute, &found, ctx);
                    }
                    this.retire_ready(ctx);
                }
                Err(error) => {
                    this.env.store_failed(&error);
                    tracing::warn!(shard = %this.shard, %error, "keys cannot be looked up");
                    for execute in commands {
                        let _ = execute
                            .reply
                            .send(Err(ExecuteError::Unavailable(Unavailable::Storage)));
                    }
                }
            }
            this.look_up_waiting(ctx);
        }));
    }

    fn decide_key(
        &mut self,
        mut execute: Execute<H::Aggregate>,
        found: &HashMap<String, KeyOwner>,
        ctx: &mut Context<Self>,
    ) {
        let Some(claim) = execute.key.take() else {
            return self.begin_command(execute, None, ctx);
        };
        let now = self.env.clock.now();
        let lately = self.keys.taken.get(&claim.text).map(|taken| &taken.owner);
        let owner = lately
            .or_else(|| found.get(&claim.text))
            .filter(|owner| owner.expires_at.is_none_or(|end| end > now));
        if let Some(owner) = owner {
            let origin = Origin::KeyTaken {
                uncommitted: lately.map(|owner| KeyRecord {
                    key: key(self.shard, &claim),
                    owner: owner.clone(),
                }),
                answer: Executed::KeyTaken {
                    aggregate_id: owner.aggregate_id,
                    same_request: owner.fingerprint == claim.fingerprint,
                },
                reply: execute.reply,
            };
            self.begin(Turn::new(origin, Vec::new()), ctx);
            return;
        }
        let record = KeyRecord {
            key: key(self.shard, &claim),
            owner: KeyOwner {
                aggregate_id: 0,
                fingerprint: claim.fingerprint,
                expires_at: claim.lifetime.map(|lifetime| now.plus(lifetime)),
            },
        };
        self.begin_command(execute, Some(record), ctx);
    }
}

fn key(shard: ShardRef, claim: &KeyClaim) -> Key {
    Key {
        shard,
        text: claim.text.clone(),
    }
}

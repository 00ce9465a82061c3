//! Keys that can be taken once: usernames, SKUs, idempotency keys.
//!
//! Before a command with a key is decided, its key is looked up: first among those that were taken lately (their
//! commits may be under way), then in storage, many in one query. A key stays among those taken lately until it is
//! committed and every query that began before is over, so that none can miss it.

use std::{collections::HashMap, time::Duration};

use super::{
    Shard,
    calls::{Execute, ExecuteError, Executed, KeyOwner, Owners, Question, ReadError},
    effects::Effects,
    rules::Rules,
    turns::{Origin, TakenKey, Turn},
};
use crate::{Ticket, Unavailable};

/// How long a key stays among those taken lately at least; longer than any query.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// What a shard knows of keys.
pub(super) struct KeyClaims<R: Rules> {
    waiting: Vec<Execute<R>>,
    looking_up: Vec<Execute<R>>,
    taken: HashMap<String, Taken<R::Time>>,
}

/// A key that was taken lately.
struct Taken<T> {
    owner: KeyOwner<T>,
    ticket: Ticket,
    at: Duration,
}

impl<R: Rules> Default for KeyClaims<R> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            looking_up: Vec::new(),
            taken: HashMap::new(),
        }
    }
}

impl<R: Rules> KeyClaims<R> {
    /// Commands that wait for their keys to be looked up.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.looking_up.len()
    }

    /// Forgets everything; gives back the commands that were waiting.
    pub(super) fn forget(&mut self) -> Vec<Execute<R>> {
        self.taken.clear();
        let mut commands = std::mem::take(&mut self.looking_up);
        commands.append(&mut self.waiting);
        commands
    }

    /// Notes that a key is taken by a command that has begun.
    pub(super) fn taken(&mut self, key: TakenKey<R::Time>, ticket: Ticket, at: Duration) {
        let owner = key.owner;
        self.taken.insert(key.text, Taken { owner, ticket, at });
    }

    /// Whether a key that was taken lately still is.
    pub(super) fn is_taken(&self, key: &TakenKey<R::Time>) -> bool {
        self.taken
            .get(&key.text)
            .is_some_and(|taken| taken.owner == key.owner)
    }

    /// Notes that nothing came of the command that took a key.
    pub(super) fn freed(&mut self, key: &TakenKey<R::Time>) {
        if self.is_taken(key) {
            self.taken.remove(&key.text);
        }
    }

    /// Forgets keys that every query finds in storage by now: those of turns up to `committed`, after a while.
    pub(super) fn purge(&mut self, now: Duration, committed: Ticket) {
        self.taken.retain(|_, taken| {
            taken.ticket > committed || now.saturating_sub(taken.at) < REMEMBERED_FOR
        });
    }
}

impl<R: Rules> Shard<R> {
    /// Has a command's key looked up, and then begins it, or answers that the key is taken.
    pub(super) fn look_up_key(&mut self, execute: Execute<R>, fx: &mut dyn Effects<R>) {
        self.keys.waiting.push(execute);
        self.look_up_waiting(fx);
    }

    fn look_up_waiting(&mut self, fx: &mut dyn Effects<R>) {
        if !self.keys.looking_up.is_empty() || self.keys.waiting.is_empty() {
            return;
        }
        let count = self.keys.waiting.len().min(self.limits.keys_max);
        self.keys.looking_up = self.keys.waiting.drain(..count).collect();
        let claims = self.keys.looking_up.iter();
        let texts = claims
            .filter_map(|execute| execute.key.as_ref())
            .map(|claim| claim.text.clone())
            .collect();
        fx.ask(self.life, Question::Keys(texts));
    }

    /// Keys were looked up.
    pub(super) fn keys_found(
        &mut self,
        found: Result<Owners<R::Time>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        let commands = std::mem::take(&mut self.keys.looking_up);
        match found {
            Ok(found) => {
                let found: HashMap<String, KeyOwner<R::Time>> = found.into_iter().collect();
                for execute in commands {
                    self.decide_key(execute, &found, fx);
                }
                self.retire_ready(fx);
            }
            Err(_) => {
                for execute in commands {
                    let reason = Unavailable::Storage;
                    execute.reply.tell(Err(ExecuteError::Unavailable(reason)));
                }
            }
        }
        self.look_up_waiting(fx);
    }

    fn decide_key(
        &mut self,
        mut execute: Execute<R>,
        found: &HashMap<String, KeyOwner<R::Time>>,
        fx: &mut dyn Effects<R>,
    ) {
        let Some(claim) = execute.key.take() else {
            return self.begin_command(execute, None, fx);
        };
        let now = fx.now();
        let lately = self.keys.taken.get(&claim.text).map(|taken| &taken.owner);
        let owner = lately
            .or_else(|| found.get(&claim.text))
            .filter(|owner| owner.expires_at.is_none_or(|end| end > now));
        if let Some(owner) = owner {
            let origin = Origin::KeyTaken {
                answer: Executed::KeyTaken {
                    aggregate_id: owner.aggregate_id,
                    same_request: owner.fingerprint == claim.fingerprint,
                },
                uncommitted: lately.cloned().map(|owner| TakenKey {
                    text: claim.text,
                    owner,
                }),
                reply: execute.reply,
            };
            self.begin(Turn::new(origin, Vec::new()), fx);
            return;
        }
        if execute.asks_only {
            return execute.reply.tell(Ok(Executed::KeyFree));
        }
        let key = TakenKey {
            text: claim.text,
            owner: KeyOwner {
                aggregate_id: 0,
                fingerprint: claim.fingerprint,
                expires_at: claim.lifetime.map(|lifetime| now + lifetime),
            },
        };
        self.begin_command(execute, Some(key), fx);
    }
}

//! Faults on demand: in actors, in the feed, in commits.
//!
//! Nothing can be injected unless the configuration allows it, and what is in force costs nothing while nothing is: one
//! load of a flag.

#[cfg(feature = "fault-injection")]
mod failpoints;

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::system::{Decisions, Fault};

/// Makes the program fail here if a fault says so; without the feature `fault-injection` there is nothing here.
///
/// The point can be about a kind of actor, which a fault may name.
macro_rules! failpoint {
    ($faults:expr, $point:ident) => {
        failpoint!($faults, $point, "")
    };
    ($faults:expr, $point:ident, $actor:expr) => {
        #[cfg(feature = "fault-injection")]
        $faults.strike_at($crate::system::Point::$point, $actor);
    };
}
pub(crate) use failpoint;

/// The faults that are in force in this process.
#[derive(Clone, Default)]
pub struct Faults {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    allowed: bool,
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_force: Vec<Fault>,
    /// The command that a poison has found: of which kind of actor, which aggregate, and its text.
    poisoned: Vec<(String, u64, String)>,
    rng: Option<StdRng>,
}

/// What is to happen to a decision.
enum Strike {
    /// With the part of the command's text that the fault was looking for.
    Panic(Option<String>),
    Freeze(Duration),
}

impl Faults {
    /// None, and there will be some only if they are `allowed`.
    #[must_use]
    pub fn new(allowed: bool) -> Self {
        let inner = Inner {
            allowed,
            ..Inner::default()
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether faults may be injected.
    #[must_use]
    pub fn are_allowed(&self) -> bool {
        self.inner.allowed
    }

    /// Those in force.
    #[must_use]
    pub fn in_force(&self) -> Vec<Fault> {
        self.lock().in_force.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a fault in force, if any are allowed. Of the feed and of slow commits there is one at a time: the latest.
    pub fn inject(&self, fault: Fault) {
        if !self.inner.allowed {
            return;
        }
        let mut state = self.lock();
        if matches!(fault, Fault::Feed { .. } | Fault::SlowCommits { .. }) {
            let kind = std::mem::discriminant(&fault);
            state
                .in_force
                .retain(|other| std::mem::discriminant(other) != kind);
        }
        state.in_force.push(fault);
        self.inner.any.store(true, Ordering::Release);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        *self.lock() = State::default();
        self.inner.any.store(false, Ordering::Release);
    }

    /// Panics, or blocks the thread, if a fault says so.
    ///
    /// # Panics
    /// When a fault is in force for this decision: that is its purpose.
    pub fn before_decision(&self, kind: &str, id: u64, command: &dyn Debug) {
        if !self.inner.any.load(Ordering::Acquire) {
            return;
        }
        // The lock is not held while the fault strikes.
        let strike = self.lock().strike(kind, id, &format!("{command:?}"));
        match strike {
            Some(Strike::Panic(Some(part))) => panic!("injected fault in {kind} {id}: {part}"),
            Some(Strike::Panic(None)) => panic!("injected fault in {kind} {id}"),
            Some(Strike::Freeze(time)) => {
                tracing::warn!(
                    actor.kind = kind,
                    actor.id = id,
                    ?time,
                    "an injected fault freezes an actor"
                );
                std::thread::sleep(time);
            }
            None => {}
        }
    }

    /// How much longer the next commit is to take.
    #[must_use]
    pub fn on_commit(&self) -> Option<Duration> {
        if !self.inner.any.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.lock();
        let slow = state.in_force.iter_mut().find_map(|fault| match fault {
            Fault::SlowCommits { for_ms, times } => Some((*for_ms, times)),
            _ => None,
        });
        let (for_ms, times) = slow?;
        *times = times.saturating_sub(1);
        state.drop_spent();
        Some(Duration::from_millis(for_ms.into()))
    }

    /// Loses, doubles and holds back records.
    #[must_use]
    pub fn on_feed<T: Clone>(&self, records: Vec<T>) -> Vec<T> {
        self.disturb(records, true)
    }

    /// Doubles and holds back messages of a public topic, which programs of others read: none is lost.
    #[must_use]
    pub fn on_public_topic<T: Clone>(&self, messages: Vec<T>) -> Vec<T> {
        self.disturb(messages, false)
    }

    fn disturb<T: Clone>(&self, records: Vec<T>, may_lose: bool) -> Vec<T> {
        if !self.inner.any.load(Ordering::Acquire) {
            return records;
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        let feed = state.in_force.iter().find_map(|fault| match fault {
            Fault::Feed {
                drop,
                double,
                reorder,
            } => Some((*drop, *double, *reorder)),
            _ => None,
        });
        let Some((drop, double, reorder)) = feed else {
            return records;
        };
        let rng = state
            .rng
            .get_or_insert_with(|| StdRng::seed_from_u64(0x5741_4d50));
        let mut delivered = Vec::new();
        for record in records {
            if may_lose && rng.random_bool(drop) {
                continue;
            }
            if rng.random_bool(double) {
                delivered.push(record.clone());
            }
            let at = if rng.random_bool(reorder) {
                rng.random_range(0..=delivered.len())
            } else {
                delivered.len()
            };
            delivered.insert(at, record);
        }
        delivered
    }
}

impl State {
    /// What is to happen to this decision, which then is one of those that a fault strikes.
    fn strike(&mut self, kind: &str, id: u64, command: &str) -> Option<Strike> {
        let poisoned = |(of, which, text): &(String, u64, String)| {
            of == kind && *which == id && text == command
        };
        if self.poisoned.iter().any(poisoned) {
            return Some(Strike::Panic(None));
        }
        let (strike, is_poison) = self.in_force.iter_mut().find_map(|fault| {
            let (decisions, strike, is_poison) = match fault {
                Fault::Panic { decisions } => {
                    let part = decisions.matching.clone();
                    (decisions, Strike::Panic(part), false)
                }
                Fault::Poison { decisions } => (decisions, Strike::Panic(None), true),
                Fault::Freeze { decisions, for_ms } => {
                    let time = Duration::from_millis((*for_ms).into());
                    (decisions, Strike::Freeze(time), false)
                }
                _ => return None,
            };
            decisions
                .strikes(kind, id, command)
                .then_some((strike, is_poison))
        })?;
        if is_poison {
            self.poisoned
                .push((kind.to_owned(), id, command.to_owned()));
        }
        self.drop_spent();
        Some(strike)
    }

    /// Drops faults that have struck as often as they were to; a poison stays, so that it shows.
    fn drop_spent(&mut self) {
        self.in_force.retain(|fault| match fault {
            Fault::Panic { decisions } | Fault::Freeze { decisions, .. } => {
                decisions.times != Some(0)
            }
            Fault::SlowCommits { times, .. } => *times > 0,
            #[cfg(feature = "fault-injection")]
            Fault::Failpoint { times, .. } => *times > 0,
            _ => true,
        });
    }
}

impl Decisions {
    /// Whether this decision is one of them; then it counts.
    fn strikes(&mut self, kind: &str, id: u64, command: &str) -> bool {
        let is_meant = self.actor == kind
            && self.id.is_none_or(|only| only == id)
            && (self.matching.as_ref()).is_none_or(|part| command.contains(part))
            && self.times != Some(0);
        if is_meant && let Some(times) = &mut self.times {
            *times -= 1;
        }
        is_meant
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn decisions(times: Option<u32>) -> Decisions {
        Decisions {
            actor: "order".to_owned(),
            id: None,
            matching: Some("Cancel".to_owned()),
            times,
        }
    }

    fn panics(faults: &Faults, kind: &str, id: u64, command: &str) -> bool {
        catch_unwind(AssertUnwindSafe(|| {
            faults.before_decision(kind, id, &command);
        }))
        .is_err()
    }

    #[test]
    fn nothing_is_injected_where_that_is_not_allowed() {
        let faults = Faults::new(false);
        faults.inject(Fault::Panic {
            decisions: decisions(None),
        });
        assert!(faults.in_force().is_empty());
        assert!(!panics(&faults, "order", 1, "Cancel"));
    }

    #[test]
    fn a_panic_strikes_so_many_of_the_decisions_that_are_meant() {
        let faults = Faults::new(true);
        faults.inject(Fault::Panic {
            decisions: decisions(Some(1)),
        });
        assert!(!panics(&faults, "product", 1, "Cancel"));
        assert!(!panics(&faults, "order", 1, "Place"));
        assert!(panics(&faults, "order", 1, "Cancel"));
        assert!(!panics(&faults, "order", 1, "Cancel"));
        assert!(faults.in_force().is_empty());
    }

    #[test]
    fn a_poisoned_command_panics_again_and_again_and_others_do_not() {
        let faults = Faults::new(true);
        faults.inject(Fault::Poison {
            decisions: decisions(Some(1)),
        });
        for _ in 0..5 {
            assert!(panics(&faults, "order", 1, "Cancel"));
            assert!(!panics(&faults, "order", 2, "Cancel"));
        }
        faults.clear();
        assert!(!panics(&faults, "order", 1, "Cancel"));
    }

    #[test]
    fn commits_are_slow_so_often() {
        let faults = Faults::new(true);
        assert_eq!(faults.on_commit(), None);
        faults.inject(Fault::SlowCommits {
            for_ms: 30,
            times: 2,
        });
        assert_eq!(faults.on_commit(), Some(Duration::from_millis(30)));
        assert_eq!(faults.on_commit(), Some(Duration::from_millis(30)));
        assert_eq!(faults.on_commit(), None);
    }
}

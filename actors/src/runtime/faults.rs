//! Faults on demand, in builds made for tests (feature `fault-injection`). In others this is nothing.

#[cfg(feature = "fault-injection")]
pub use armed::Faults;
#[cfg(not(feature = "fault-injection"))]
pub use disarmed::Faults;

#[cfg(not(feature = "fault-injection"))]
mod disarmed {
    use std::fmt::Debug;

    /// No faults.
    #[derive(Clone, Debug, Default)]
    pub struct Faults(());

    impl Faults {
        /// Does nothing.
        #[inline]
        pub fn before_decision(&self, _kind: &str, _id: u64, _command: &dyn Debug) {}

        /// Leaves the records as they are.
        #[inline]
        #[must_use]
        pub fn on_feed<T: Clone>(&self, records: Vec<T>) -> Vec<T> {
            records
        }

        /// Leaves the messages as they are.
        #[inline]
        #[must_use]
        pub fn on_public_topic<T: Clone>(&self, messages: Vec<T>) -> Vec<T> {
            messages
        }
    }
}

#[cfg(feature = "fault-injection")]
mod armed {
    use std::{
        fmt::Debug,
        sync::{
            Arc, Mutex, MutexGuard, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
    };

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use crate::system::Fault;

    /// The faults that are in force.
    #[derive(Clone, Default)]
    pub struct Faults {
        inner: Arc<Inner>,
    }

    #[derive(Default)]
    struct Inner {
        any: AtomicBool,
        state: Mutex<State>,
    }

    #[derive(Default)]
    struct State {
        panics: Vec<PanicFault>,
        feed: Option<(f64, f64, f64)>,
        rng: Option<StdRng>,
    }

    struct PanicFault {
        actor: String,
        id: Option<u64>,
        matching: Option<String>,
        times: Option<u32>,
    }

    impl Faults {
        fn lock(&self) -> MutexGuard<'_, State> {
            self.inner
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        }

        /// Puts a fault in force; those of storage are not for here.
        pub fn inject(&self, fault: Fault) {
            let mut state = self.lock();
            match fault {
                Fault::Panic {
                    actor,
                    id,
                    matching,
                    times,
                } => state.panics.push(PanicFault {
                    actor,
                    id,
                    matching,
                    times,
                }),
                Fault::Feed {
                    drop,
                    double,
                    reorder,
                } => state.feed = Some((drop, double, reorder)),
                Fault::CommitFailure { .. } | Fault::DiskFull => return,
            }
            self.inner.any.store(true, Ordering::Release);
        }

        /// Ends all faults.
        pub fn clear(&self) {
            *self.lock() = State::default();
            self.inner.any.store(false, Ordering::Release);
        }

        /// Panics if a fault says so.
        ///
        /// # Panics
        /// When a fault is in force for this decision: that is its purpose.
        pub fn before_decision(&self, kind: &str, id: u64, command: &dyn Debug) {
            if !self.inner.any.load(Ordering::Acquire) {
                return;
            }
            let mut state = self.lock();
            let text = format!("{command:?}");
            let hit = state.panics.iter_mut().find(|fault| {
                fault.actor == kind
                    && fault.id.is_none_or(|only| only == id)
                    && fault
                        .matching
                        .as_ref()
                        .is_none_or(|part| text.contains(part))
                    && fault.times != Some(0)
            });
            if let Some(fault) = hit {
                if let Some(times) = &mut fault.times {
                    *times -= 1;
                }
                drop(state);
                panic!("injected fault in {kind} {id}");
            }
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
            let Some((drop, double, reorder)) = state.feed else {
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
}

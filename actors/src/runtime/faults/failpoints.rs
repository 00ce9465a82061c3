//! Places of the program that can be made to fail, to see that it survives that, or that whoever starts it again does.

use std::time::Duration;

use super::{Faults, Ordering, State};
use crate::system::{Action, Fault, Point};

impl Faults {
    /// Panics, blocks the thread or ends the process, if a fault says so for this place and this kind of actor.
    ///
    /// # Panics
    /// When a fault says so: that is its purpose.
    pub(crate) fn strike_at(&self, point: Point, actor: &str) {
        if !self.inner.any.load(Ordering::Acquire) {
            return;
        }
        // The lock is not held while the fault strikes.
        let action = self.lock().strike_at(point, actor);
        match action {
            Some(Action::Panic) => panic!("injected fault at {point:?} {actor}"),
            // As if it was killed: nothing is finished, nobody is told.
            Some(Action::Exit) => std::process::abort(),
            Some(Action::Delay { for_ms }) => {
                tracing::warn!(?point, actor, for_ms, "an injected fault delays");
                std::thread::sleep(Duration::from_millis(for_ms.into()));
            }
            None => {}
        }
    }
}

impl State {
    fn strike_at(&mut self, at: Point, kind: &str) -> Option<Action> {
        let action = self.in_force.iter_mut().find_map(|fault| match fault {
            Fault::Failpoint {
                name,
                actor,
                action,
                times,
            } if *name == at && *times > 0 && actor.as_ref().is_none_or(|only| only == kind) => {
                *times -= 1;
                Some(*action)
            }
            _ => None,
        })?;
        self.drop_spent();
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn panics(faults: &Faults, point: Point, actor: &str) -> bool {
        catch_unwind(AssertUnwindSafe(|| faults.strike_at(point, actor))).is_err()
    }

    #[test]
    fn a_failpoint_strikes_so_often_where_it_is_meant() {
        let faults = Faults::new(true);
        faults.inject(Fault::Failpoint {
            name: Point::InHandler,
            actor: Some("order".to_owned()),
            action: Action::Panic,
            times: 2,
        });
        assert!(!panics(&faults, Point::InStarted, "order"));
        assert!(!panics(&faults, Point::InHandler, "product"));
        assert!(panics(&faults, Point::InHandler, "order"));
        assert!(panics(&faults, Point::InHandler, "order"));
        assert!(!panics(&faults, Point::InHandler, "order"));
        assert!(faults.in_force().is_empty());
    }

    #[test]
    fn a_failpoint_travels_between_nodes_as_it_was_written() {
        let written = r#"{"kind":"failpoint","name":"before_watermark","actor":null,"action":"delay","for_ms":20,"times":3}"#;
        let fault: Fault = serde_json::from_str(written).unwrap();
        let expected = Fault::Failpoint {
            name: Point::BeforeWatermark,
            actor: None,
            action: Action::Delay { for_ms: 20 },
            times: 3,
        };
        assert_eq!(fault, expected);
        assert_eq!(serde_json::to_string(&fault).unwrap(), written);
    }
}

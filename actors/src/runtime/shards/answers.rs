//! Answers that are waited for, from an actor that may be replaced before it gives them.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{ANSWER_WAIT_MAX, Outcome};
use crate::{
    Unavailable,
    runtime::{handle::Life, messages::ExecuteError},
};

/// How often somebody who waits looks whether the actor that owes the answer was replaced.
const LOOK: Duration = Duration::from_millis(500);

/// An answer to come.
#[derive(Debug)]
pub struct Awaited<T> {
    end: oneshot::Receiver<T>,
    /// Of the actor that owes it; `None` if that is another task's business.
    life: Option<Life>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It did not come in time.
    Late,
    /// It never will.
    Never,
}

impl<T> Awaited<T> {
    /// An answer that an actor owes during this life, or that a task passes on.
    #[must_use]
    pub const fn new(end: oneshot::Receiver<T>, life: Option<Life>) -> Self {
        Self { end, life }
    }

    /// Waits for it, at most so long.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn within(&mut self, limit: Duration) -> Result<T, NoAnswer> {
        let begun = Instant::now();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            let look = if self.life.is_some() { LOOK } else { left };
            match timeout(left.min(look), &mut self.end).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) => return Err(NoAnswer::Never),
                Err(_) if self.life.as_ref().is_some_and(Life::is_over) => {
                    return Err(NoAnswer::Never);
                }
                Err(_) if begun.elapsed() >= limit => return Err(NoAnswer::Late),
                Err(_) => {}
            }
        }
    }
}

/// Waits for the answer to a command.
///
/// # Errors
/// [`ExecuteError`]; one that never comes is [`Unavailable::CommitFailed`]: nobody knows.
pub async fn answer<A: domain::Aggregate>(mut reply: Awaited<Outcome<A>>) -> Outcome<A> {
    match reply.within(ANSWER_WAIT_MAX).await {
        Ok(result) => result,
        Err(_) => Err(ExecuteError::Unavailable(Unavailable::CommitFailed)),
    }
}

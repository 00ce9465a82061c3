//! Waiting for a server that is not up yet: visible and bounded.

use std::{fmt::Display, future::Future, time::Duration};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

/// The pause between two tries, at first.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// What a try came to.
pub(super) enum Tried<T, E> {
    /// It worked.
    Done(T),
    /// The server is not up yet.
    NotYet(E),
    /// Waiting will not help.
    Never(E),
}

/// Tries until it works, for so long at most, and says what it waits for.
///
/// # Errors
/// What the last try said.
pub(super) async fn until_up<T, E: Display, F: Future<Output = Tried<T, E>>>(
    server: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T> {
    let end = Instant::now() + limit;
    let mut pause = PAUSE_MIN;
    loop {
        match attempt().await {
            Tried::Done(done) => return Ok(done),
            Tried::Never(error) => return Err(anyhow!("{server}: {error}")),
            Tried::NotYet(error) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(anyhow!(
                        "{server} is not up after {} s (startup.wait_secs): {error}",
                        limit.as_secs()
                    ));
                }
                tracing::warn!(server, %error, seconds_left = left.as_secs(), "waiting for a server that is not up yet");
                sleep(pause.min(left)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_waits_until_the_server_is_up() {
        let tries = Cell::new(0);
        let up = until_up("it", Duration::from_secs(60), || {
            tries.set(tries.get() + 1);
            let tried = match tries.get() {
                1..=3 => Tried::NotYet("refused"),
                nth => Tried::Done(nth),
            };
            async move { tried }
        });
        assert_eq!(up.await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_in_time_and_names_the_server_and_the_reason() {
        let begun = Instant::now();
        let never = until_up("PostgreSQL", Duration::from_secs(5), || async {
            Tried::<(), _>::NotYet("connection refused")
        });
        let error = never.await.unwrap_err().to_string();
        assert!(
            error.contains("PostgreSQL") && error.contains("connection refused"),
            "{error}"
        );
        assert!(begun.elapsed() < Duration::from_secs(6));
    }

    #[tokio::test]
    async fn what_waiting_does_not_help_is_said_at_once() {
        let wrong = until_up("PostgreSQL", Duration::from_secs(500), || async {
            Tried::<(), _>::Never("no such database")
        });
        assert!(
            wrong
                .await
                .unwrap_err()
                .to_string()
                .contains("no such database")
        );
    }
}

//! Passwords: hashed with Argon2id on blocking threads, a bounded number at a time.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::Unavailable;

/// Hashes that may wait for a thread; beyond it callers are asked to come back.
const WAITING_MAX: usize = 512;

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Checked where there is no user, so that the time of an answer does not tell whether there is one.
    decoy: Arc<str>,
}

impl Passwords {
    /// With so many hashes at a time.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new(threads: usize) -> Result<Self, argon2::password_hash::Error> {
        Ok(Self {
            threads: Arc::new(Semaphore::new(threads.max(1))),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
            decoy: hash("a password that nobody has")?.into(),
        })
    }

    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if too many are waiting.
    pub async fn hash(&self, password: String) -> Result<String, Unavailable> {
        self.run(move || hash(&password))
            .await?
            .map_err(|_| Unavailable::NotServing)
    }

    /// Whether this is the password of that hash; with no hash, `false` after the same time.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if too many are waiting.
    pub async fn verify(
        &self,
        password: String,
        expected: Option<String>,
    ) -> Result<bool, Unavailable> {
        let is_known = expected.is_some();
        let expected = expected.unwrap_or_else(|| self.decoy.to_string());
        let is_right = self
            .run(move || {
                PasswordHash::new(&expected).is_ok_and(|expected| {
                    Argon2::default()
                        .verify_password(password.as_bytes(), &expected)
                        .is_ok()
                })
            })
            .await?;
        Ok(is_known && is_right)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Unavailable::Busy)?;
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(|_| Unavailable::NotServing)?;
        // The permits go with the work: whoever asked may be gone long before it is done.
        tokio::task::spawn_blocking(move || {
            let _permits = (place, thread);
            work()
        })
        .await
        .map_err(|_| Unavailable::Restarted)
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())?
        .to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn whoever_goes_away_frees_no_thread_before_the_work_is_done() {
        actix_rt::System::new().block_on(async {
            let passwords = Passwords::new(1).unwrap();
            let (finish, finished) = mpsc::channel::<()>();
            let asked = passwords.run(move || finished.recv());
            assert!(
                tokio::time::timeout(Duration::from_millis(10), asked)
                    .await
                    .is_err()
            );
            let free = || {
                (
                    passwords.threads.available_permits(),
                    passwords.places.available_permits(),
                )
            };
            assert_eq!(free(), (0, WAITING_MAX - 1));
            finish.send(()).unwrap();
            while free() != (1, WAITING_MAX) {
                tokio::task::yield_now().await;
            }
        });
    }
}

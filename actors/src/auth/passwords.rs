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
        let _place = self.places.try_acquire().map_err(|_| Unavailable::Busy)?;
        let _thread = self
            .threads
            .acquire()
            .await
            .map_err(|_| Unavailable::NotServing)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Unavailable::Restarted)
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())?
        .to_string())
}

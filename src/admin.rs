//! The first administrator: made when there is none, with a password that is nobody's default.

use std::time::Duration;

use actors::{
    Shop,
    auth::{AuthError, Registration},
};
use anyhow::{Context, Result, bail};
use domain::users::Role;
use tokio::time::{Instant, sleep};

/// Its name.
const USERNAME: &str = "admin";
/// The shortest password that is accepted from the environment.
const PASSWORD_LENGTH_MIN: usize = 8;
/// The longest.
const PASSWORD_LENGTH_MAX: usize = 128;

/// For so long it is tried to make the first administrator while the shop is not available.
const AVAILABLE_WITHIN: Duration = Duration::from_secs(60);

/// What became of the first administrator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstAdmin {
    /// There is one already.
    Exists,
    /// It was made with the password from the environment.
    FromEnvironment,
    /// It was made with this password, which is shown once.
    Generated(String),
}

/// Makes the first administrator if there is none. Tries again while the shop is not available, as when a shard changes
/// its owner at that moment.
pub(crate) async fn ensure(shop: &Shop) -> Result<FirstAdmin> {
    let given = password_from_environment()?;
    let password = given.clone().unwrap_or_else(random_password);
    let made = || match given {
        Some(_) => FirstAdmin::FromEnvironment,
        None => FirstAdmin::Generated(password.clone()),
    };
    let give_up_at = Instant::now() + AVAILABLE_WITHIN;
    // Whether one that was asked for may have been made although nobody said so.
    let mut in_doubt = false;
    loop {
        let error = match attempt(shop, &password, in_doubt).await {
            Ok(true) => return Ok(made()),
            Ok(false) => return Ok(FirstAdmin::Exists),
            Err(AuthError::Unavailable(reason)) if Instant::now() < give_up_at => reason,
            Err(AuthError::UsernameTaken) => bail!("the name {USERNAME} belongs to a customer"),
            Err(error) => return Err(error.into()),
        };
        in_doubt = true;
        tracing::warn!(%error, "the first administrator cannot be made yet");
        sleep(error.retry_after()).await;
    }
}

/// Makes the administrator unless there is one; whether this process made it.
async fn attempt(shop: &Shop, password: &str, in_doubt: bool) -> Result<bool, AuthError> {
    if !shop.auth.has_admin().await? {
        let registration = Registration {
            username: USERNAME.parse().expect("a name of five letters"),
            email: None,
            password: password.to_owned(),
            role: Role::Admin,
        };
        match shop.auth.register(registration).await {
            Ok(_) => return Ok(true),
            // By another gateway a moment ago, or by an attempt of our own.
            Err(AuthError::UsernameTaken) if shop.auth.has_admin().await? => {}
            Err(error) => return Err(error),
        }
    }
    if !in_doubt {
        return Ok(false);
    }
    // If it was made by an attempt of our own, then nobody else knows the password.
    match shop.auth.login(USERNAME, password.to_owned()).await {
        Ok(_) => Ok(true),
        Err(AuthError::InvalidCredentials) => Ok(false),
        Err(error) => Err(error),
    }
}

fn password_from_environment() -> Result<Option<String>> {
    let password = match (
        std::env::var("STAMPEDE_ADMIN_PASSWORD").ok(),
        std::env::var("STAMPEDE_ADMIN_PASSWORD_FILE").ok(),
    ) {
        (Some(_), Some(_)) => {
            bail!("STAMPEDE_ADMIN_PASSWORD and STAMPEDE_ADMIN_PASSWORD_FILE are both set")
        }
        (Some(password), None) => password,
        (None, Some(file)) => std::fs::read_to_string(&file)
            .with_context(|| format!("the administrator's password file {file} cannot be read"))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        (None, None) => return Ok(None),
    };
    let length = password.chars().count();
    if !(PASSWORD_LENGTH_MIN..=PASSWORD_LENGTH_MAX).contains(&length) {
        bail!(
            "the administrator's password has {length} characters; it must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX}"
        );
    }
    Ok(Some(password))
}

/// 24 letters and digits that cannot be mistaken for one another: about 137 bits.
pub(crate) fn random_password() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..24)
        .map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]))
        .collect()
}

//! The first administrator: made when there is none, with a password that is nobody's default.

use actors::{
    Shop,
    auth::{AuthError, Registration},
};
use anyhow::{Context, Result, bail};
use domain::users::Role;

/// Its name.
const USERNAME: &str = "admin";
/// The shortest password that is accepted from the environment.
const PASSWORD_LENGTH_MIN: usize = 8;
/// The longest.
const PASSWORD_LENGTH_MAX: usize = 128;

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

/// Makes the first administrator if there is none.
pub(crate) async fn ensure(shop: &Shop) -> Result<FirstAdmin> {
    if shop.auth.has_admin().await? {
        return Ok(FirstAdmin::Exists);
    }
    let given = password_from_environment()?;
    let password = given.clone().unwrap_or_else(random_password);
    let registered = shop
        .auth
        .register(Registration {
            username: USERNAME.parse().context("the administrator's name")?,
            email: None,
            password: password.clone(),
            role: Role::Admin,
        })
        .await;
    match registered {
        Ok(_) => Ok(match given {
            Some(_) => FirstAdmin::FromEnvironment,
            None => FirstAdmin::Generated(password),
        }),
        // By another gateway, a moment ago.
        Err(AuthError::UsernameTaken) if shop.auth.has_admin().await? => Ok(FirstAdmin::Exists),
        Err(AuthError::UsernameTaken) => bail!("the name {USERNAME} belongs to a customer"),
        Err(error) => Err(error.into()),
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

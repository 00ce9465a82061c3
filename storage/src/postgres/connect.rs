//! Connections: how they are opened, and what each makes sure of before anything else.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{errors, options::PostgresOptions};
use crate::StorageError;

/// Prepared statements that a connection keeps; more than there are.
const STATEMENTS: usize = 256;
/// How long a transaction may be idle before the server ends it. There are few of more than one statement.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// What a server is not to be used for.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "the server runs with fsync = off and would lose what it says is committed; set fsync = on"
    )]
    NoFsync,
    #[error("the server is a standby")]
    Standby,
}

/// Sets what every connection needs, whatever the server, the database and the role say, and refuses a server that
/// does not keep what it has committed. One round trip.
async fn prepare(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    let sql = "SELECT current_setting('fsync') = 'on', pg_is_in_recovery(), \
               set_config('synchronous_commit', 'on', false), \
               set_config('statement_timeout', $1, false), \
               set_config('idle_in_transaction_session_timeout', $2, false), \
               set_config('jit', 'off', false)";
    let row = sqlx::query_as::<_, (bool, bool, String, String, String, String)>(sql)
        .bind(milliseconds(statement_timeout))
        .bind(milliseconds(IDLE_IN_TRANSACTION))
        .fetch_one(connection)
        .await?;
    match row {
        (false, ..) => Err(sqlx::Error::Configuration(Refusal::NoFsync.into())),
        // It may become the primary, or the next connection may find that one.
        (true, true, ..) => Err(sqlx::Error::Io(std::io::Error::other(Refusal::Standby))),
        _ => Ok(()),
    }
}

/// A timeout as the server takes it. Zero would be none at all.
fn milliseconds(timeout: Duration) -> String {
    i32::try_from(timeout.as_millis())
        .unwrap_or(i32::MAX)
        .max(1)
        .to_string()
}

/// How a connection to the database with this URL is opened.
fn connect_options(options: &PostgresOptions, url: &str) -> Result<PgConnectOptions, StorageError> {
    let parsed = PgConnectOptions::from_str(url).map_err(|error| {
        StorageError::Mismatch(format!(
            "the url of a database cannot be understood: {error}"
        ))
    })?;
    Ok(parsed
        .application_name(&options.application_name)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging())
}

/// Which database that is, for people; without its password.
pub(super) fn describe(url: &str) -> String {
    PgConnectOptions::from_str(url).map_or_else(
        |_| "a database".to_owned(),
        |parsed| {
            format!(
                "{} on {}:{}",
                parsed.get_database().unwrap_or("the default database"),
                parsed.get_host(),
                parsed.get_port()
            )
        },
    )
}

/// One connection to the database with this URL.
///
/// # Errors
/// [`StorageError::Mismatch`] if the server is not to be used, [`StorageError::Unavailable`] if it cannot be reached.
pub(super) async fn connect(
    options: &PostgresOptions,
    url: &str,
) -> Result<PgConnection, StorageError> {
    let connecting = async {
        let mut connection = connect_options(options, url)?
            .connect()
            .await
            .map_err(errors::classify)?;
        prepare(&mut connection, options.statement_timeout)
            .await
            .map_err(errors::classify)?;
        Ok(connection)
    };
    let connected = tokio::time::timeout(options.connect_timeout, connecting)
        .await
        .unwrap_or_else(|_| {
            Err(StorageError::Unavailable(format!(
                "no connection within {:?}",
                options.connect_timeout
            )))
        });
    connected.map_err(|error| match error {
        StorageError::Unavailable(text) => {
            StorageError::Unavailable(format!("cannot reach {}: {text}", describe(url)))
        }
        StorageError::Mismatch(text) => {
            StorageError::Mismatch(format!("{}: {text}", describe(url)))
        }
        other => other,
    })
}

/// Closes a connection that has done its work. Whether the server hears of it does not matter.
pub(super) async fn close(connection: PgConnection) {
    let _ = sqlx::Connection::close(connection).await;
}

/// The connections to the database with this URL. They are opened when they are needed.
///
/// Each is tried before it is used: after a restart of the server only what was under way fails.
pub(super) fn pool(options: &PostgresOptions, url: &str) -> Result<PgPool, StorageError> {
    let statement_timeout = options.statement_timeout;
    Ok(PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.connect_timeout)
        .test_before_acquire(true)
        .after_connect(move |connection, _| Box::pin(prepare(connection, statement_timeout)))
        .connect_lazy_with(connect_options(options, url)?))
}

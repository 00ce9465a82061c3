//! The driver's errors, by what follows from them.

use std::{future::Future, time::Duration};

use mongodb::error::{Error, ErrorKind};

use crate::StorageError;

/// Something unique is taken already.
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// There is no such index.
pub(super) const INDEX_NOT_FOUND: i32 = 27;
/// There is no such collection.
pub(super) const NAMESPACE_NOT_FOUND: i32 = 26;
/// The server does not know how to do that.
pub(super) const NOT_IMPLEMENTED: i32 = 238;

/// What an error of the driver means.
///
/// What cannot be decoded is damage. Anything else may be different the next time: the server cannot be reached, is
/// electing a primary, refuses the password, has no room.
pub(super) fn classify(error: Error) -> StorageError {
    match error.kind.as_ref() {
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) => {
            StorageError::Damaged(format!("an undecodable document: {error}"))
        }
        _ => StorageError::Unavailable(format!("mongodb: {}", error.kind)),
    }
}

/// The server's code for why a command failed.
pub(super) fn command_code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// Waits for an operation, but not for ever: the driver itself would wait for a server that has gone silent.
pub(super) async fn within<T>(
    time_max: Duration,
    operation: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(time_max, operation).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StorageError::Unavailable(format!(
            "mongodb: no answer within {} s",
            time_max.as_secs()
        ))),
    }
}

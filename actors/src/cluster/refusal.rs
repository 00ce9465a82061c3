//! How a call that was not carried out travels: a status, with the reason in its metadata so that the caller knows
//! whether it may have been done.

use std::error::Error as _;

use tonic::{Code, ConnectError, Status, metadata::MetadataMap};

use crate::Unavailable;

/// The metadata that has the reason.
const REASON: &str = "stampede-reason";
/// The metadata that has the address of the node which serves the shard.
const OWNER: &str = "stampede-owner";

/// Why a call to another node came to nothing, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// That node does not serve the shard, or cannot be reached. Surely nothing was done.
    #[error("the node does not serve the shard, or cannot be reached")]
    Refused {
        /// The address of the node that serves it, if the former owner knows.
        owner: Option<String>,
    },
    /// It was turned down for another reason, or nobody knows what came of it.
    #[error(transparent)]
    Unavailable(Unavailable),
}

/// The status that carries a reason; `owner` is where the shard is served, if that is known.
pub(super) fn status(reason: &Unavailable, owner: Option<&str>) -> Status {
    let (code, name) = match reason {
        Unavailable::NotServing => (Code::Unavailable, "not_serving"),
        Unavailable::Busy => (Code::ResourceExhausted, "busy"),
        Unavailable::Restarted => (Code::Aborted, "restarted"),
        Unavailable::CommitFailed => (Code::Unknown, "commit_failed"),
        Unavailable::Storage => (Code::Unavailable, "storage"),
    };
    let mut metadata = MetadataMap::new();
    for (key, value) in [(REASON, Some(name)), (OWNER, owner)] {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            metadata.insert(key, value);
        }
    }
    Status::with_metadata(code, reason.to_string(), metadata)
}

/// What a status says. One without a reason was made by the connection: only where it was never made, or the other side
/// looked at nothing, it is sure that nothing was done.
pub(super) fn failure(address: &str, status: &Status) -> Failure {
    let text = |key| {
        status
            .metadata()
            .get(key)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(reason) = text(REASON) {
        return match reason {
            "not_serving" => Failure::Refused {
                owner: text(OWNER).map(ToOwned::to_owned),
            },
            "busy" => Failure::Unavailable(Unavailable::Busy),
            "restarted" => Failure::Unavailable(Unavailable::Restarted),
            "storage" => Failure::Unavailable(Unavailable::Storage),
            _ => Failure::Unavailable(Unavailable::CommitFailed),
        };
    }
    if was_never_sent(status) {
        tracing::debug!(peer = address, error = %status, "a peer cannot be reached");
        return Failure::Refused { owner: None };
    }
    match status.code() {
        // Another cluster, or another version: it will not be otherwise in a moment.
        Code::Unauthenticated | Code::Unimplemented | Code::InvalidArgument => {
            tracing::error!(peer = address, code = ?status.code(), error = status.message(), "a peer does not understand this node");
            Failure::Unavailable(Unavailable::NotServing)
        }
        code => {
            tracing::warn!(
                peer = address,
                ?code,
                error = status.message(),
                "nobody knows what came of a call to a peer"
            );
            Failure::Unavailable(Unavailable::CommitFailed)
        }
    }
}

/// Whether a call failed before there was a connection.
fn was_never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_comes_back_as_it_went() {
        for reason in [
            Unavailable::Busy,
            Unavailable::Restarted,
            Unavailable::CommitFailed,
            Unavailable::Storage,
        ] {
            let status = status(&reason, None);
            assert_eq!(failure("peer", &status), Failure::Unavailable(reason));
        }
        for owner in [None, Some("http://two:2")] {
            let status = status(&Unavailable::NotServing, owner);
            let owner = owner.map(ToOwned::to_owned);
            assert_eq!(failure("peer", &status), Failure::Refused { owner });
        }
    }

    #[test]
    fn what_a_connection_says_is_not_taken_for_a_refusal() {
        for code in [
            Code::Unavailable,
            Code::Unknown,
            Code::Cancelled,
            Code::Internal,
        ] {
            assert_eq!(
                failure("peer", &Status::new(code, "broken")),
                Failure::Unavailable(Unavailable::CommitFailed),
            );
        }
    }
}

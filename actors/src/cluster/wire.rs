//! What a request of the runtime is on the wire, and back.

use std::time::Duration;

use domain::{Addressee, Aggregate, ShardRef};
use proto::internal::{OnWire, REVISION, v1};
use storage::TraceContext;
use tonic::Status;

use crate::{
    runtime::{
        messages::{Executed, KeyClaim, ParkedAction},
        shards::Request,
    },
    system::ParkedError,
};

/// A request as it travels; `None` for a command that only a shard gives its own aggregates.
pub(super) fn write_request<A: OnWire>(
    shard: ShardRef,
    request: &Request<A>,
    want_at_rest: bool,
) -> Option<v1::ExecuteRequest> {
    Some(v1::ExecuteRequest {
        shard: Some(shard.into()),
        needs_revision: if request.asks_only { 2 } else { 1 },
        key: request.key.as_ref().map(|key| v1::KeyClaim {
            text: key.text.clone(),
            fingerprint: key.fingerprint.to_vec(),
            lifetime_ms: key.lifetime.map(millis),
        }),
        asks_only: request.asks_only,
        credentials: request.credentials.clone(),
        want_at_rest,
        trace: request.trace.map(|trace| v1::TraceContext {
            trace_id: trace.trace_id.to_vec(),
            span_id: trace.span_id.to_vec(),
        }),
        command: Some(A::write_command(&request.addressee)?),
    })
}

/// A request that has travelled. One that is not understood in full is not carried out.
pub(super) fn read_request<A: OnWire>(message: v1::ExecuteRequest) -> Result<Request<A>, Status> {
    if message.needs_revision > REVISION {
        return Err(Status::unimplemented(format!(
            "the request is of revision {}, this node knows {REVISION}",
            message.needs_revision
        )));
    }
    let command = message
        .command
        .ok_or_else(|| Status::unimplemented("this node does not know the command"))?;
    let addressee: Addressee<A> = A::read_command(command).map_err(invalid)?;
    Ok(Request {
        addressee,
        key: message.key.map(read_key).transpose()?,
        asks_only: message.asks_only,
        credentials: message.credentials,
        trace: message.trace.and_then(read_trace),
    })
}

fn read_key(key: v1::KeyClaim) -> Result<KeyClaim, Status> {
    Ok(KeyClaim {
        text: key.text,
        fingerprint: key
            .fingerprint
            .try_into()
            .map_err(|_| Status::invalid_argument("key.fingerprint: 16 bytes are expected"))?,
        lifetime: key.lifetime_ms.map(Duration::from_millis),
    })
}

/// A trace that is malformed is as good as none.
fn read_trace(trace: v1::TraceContext) -> Option<TraceContext> {
    let trace = TraceContext {
        trace_id: trace.trace_id.try_into().ok()?,
        span_id: trace.span_id.try_into().ok()?,
    };
    (trace.trace_id != [0; 16] && trace.span_id != [0; 8]).then_some(trace)
}

/// What came of a command, as it travels.
pub(super) fn write_outcome<A: OnWire>(
    outcome: Result<Executed<A>, <A as Aggregate>::Rejection>,
) -> v1::ExecuteResponse {
    use v1::execute_response::Outcome;

    let outcome = match outcome {
        Ok(Executed::Done(state)) => Outcome::Done(state.write_state()),
        Ok(Executed::KeyTaken {
            aggregate_id,
            same_request,
        }) => Outcome::KeyTaken(v1::KeyTaken {
            aggregate_id,
            same_request,
        }),
        Ok(Executed::KeyFree) => Outcome::KeyFree(v1::KeyFree {}),
        Err(rejection) => Outcome::Rejected(A::write_rejection(&rejection)),
    };
    v1::ExecuteResponse {
        outcome: Some(outcome),
    }
}

/// An aggregate at rest, as it travels.
pub(super) fn write_at_rest<A: OnWire>(state: &A) -> v1::ExecuteResponse {
    v1::ExecuteResponse {
        outcome: Some(v1::execute_response::Outcome::AtRest(state.write_state())),
    }
}

/// What came of a command that was asked of a peer; `None` if the answer is not understood.
pub(super) fn read_outcome<A: OnWire>(
    message: v1::ExecuteResponse,
) -> Option<Result<Executed<A>, <A as Aggregate>::Rejection>> {
    use v1::execute_response::Outcome;

    match message.outcome? {
        Outcome::Done(state) => {
            understood(A::read_state(state)).map(|state| Ok(Executed::Done(state)))
        }
        Outcome::KeyTaken(taken) => Some(Ok(Executed::KeyTaken {
            aggregate_id: taken.aggregate_id,
            same_request: taken.same_request,
        })),
        Outcome::KeyFree(_) => Some(Ok(Executed::KeyFree)),
        Outcome::Rejected(rejection) => understood(A::read_rejection(rejection)).map(Err),
        Outcome::AtRest(_) => None,
    }
}

/// The aggregate at rest, if that is what a peer sent.
pub(super) fn read_at_rest<A: OnWire>(message: v1::ExecuteResponse) -> Option<A> {
    match message.outcome? {
        v1::execute_response::Outcome::AtRest(state) => understood(A::read_state(state)),
        _ => None,
    }
}

/// What was read, or a line in the log.
pub(super) fn understood<T>(read: Result<T, proto::InvalidField>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(%error, "a peer's answer is not understood"))
        .ok()
}

/// What came of dealing with a parked command, as it travels; `None` where a status says so.
pub(super) fn write_parked(
    outcome: Result<(), ParkedError>,
) -> Result<v1::DealWithParkedResponse, crate::Unavailable> {
    use v1::deal_with_parked_response::Outcome;

    let outcome = match outcome {
        Ok(()) => Outcome::Done(v1::ParkedDone {}),
        Err(ParkedError::NotFound) => Outcome::NotFound(v1::ParkedNotFound {}),
        Err(ParkedError::NotFirst { first }) => Outcome::NotFirst(v1::ParkedNotFirst { first }),
        Err(ParkedError::FailedAgain { error }) => {
            Outcome::FailedAgain(v1::ParkedFailedAgain { error })
        }
        Err(ParkedError::Unavailable(reason)) => return Err(reason),
    };
    Ok(v1::DealWithParkedResponse {
        outcome: Some(outcome),
    })
}

/// What came of dealing with a parked command; `None` if the answer is not understood.
pub(super) fn read_parked(message: v1::DealWithParkedResponse) -> Option<Result<(), ParkedError>> {
    use v1::deal_with_parked_response::Outcome;

    Some(match message.outcome? {
        Outcome::Done(_) => Ok(()),
        Outcome::NotFound(_) => Err(ParkedError::NotFound),
        Outcome::NotFirst(behind) => Err(ParkedError::NotFirst {
            first: behind.first,
        }),
        Outcome::FailedAgain(failed) => Err(ParkedError::FailedAgain {
            error: failed.error,
        }),
    })
}

/// What to do with a parked command, as it travels.
pub(super) fn write_action(action: ParkedAction) -> v1::ParkedAction {
    match action {
        ParkedAction::Retry => v1::ParkedAction::Retry,
        ParkedAction::Discard => v1::ParkedAction::Discard,
    }
}

/// What to do with a parked command.
pub(super) fn read_action(action: v1::ParkedAction) -> Result<ParkedAction, Status> {
    match action {
        v1::ParkedAction::Retry => Ok(ParkedAction::Retry),
        v1::ParkedAction::Discard => Ok(ParkedAction::Discard),
        v1::ParkedAction::Unspecified => {
            Err(Status::unimplemented("this node does not know the action"))
        }
    }
}

/// A request that breaks a rule; nothing is done.
pub(super) fn invalid(error: proto::InvalidField) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A duration in milliseconds; one beyond all bounds is the longest there is.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

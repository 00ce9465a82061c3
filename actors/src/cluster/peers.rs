//! Connections to other nodes, one an address, and what can be asked of them.
//!
//! A connection is made when it is first needed, and made anew when it is lost. One whose other side is frozen is
//! noticed: it is asked for a sign of life, and closed without one. Every call has a deadline. A connection lives on the
//! runtime of whoever made it; if that ends it is made anew, too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Aggregate, ShardRef};
use proto::internal::{
    OnWire,
    v1::{self, shard_service_client::ShardServiceClient},
};
use tokio::{runtime::Handle, time::timeout};
use tonic::{
    Code, Status, Streaming,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

pub use super::refusal::Failure;
use super::{
    refusal,
    secret::{ClusterSecret, Present},
    wire,
};
use crate::{
    Unavailable,
    runtime::{
        messages::{ExecuteError, Executed, ParkedAction},
        shards::{ANSWER_WAIT_MAX, Request},
    },
    system::ParkedError,
};

/// How long a connection may take to be made.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often a peer is asked for a sign of life.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long it has to give one.
const KEEP_ALIVE_WAIT_MAX: Duration = Duration::from_secs(2);
/// What a watch may take beyond the wait that it was asked for.
const WATCH_GRACE: Duration = Duration::from_secs(1);
/// How long a shard may take to be handed over: to finish what it has begun, and to be given up.
const HAND_OVER_WAIT_MAX: Duration = Duration::from_secs(15);
/// How long a fault may take to be injected.
const FAULT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Addresses that are remembered; more than any cluster has at a time.
const CONNECTIONS_MAX: usize = 1_024;

type Client = ShardServiceClient<InterceptedService<Channel, Present>>;
type Outcome<A> = Result<Executed<A>, ExecuteError<<A as Aggregate>::Rejection>>;

/// The way to other nodes. Clones share connections.
#[derive(Clone)]
pub struct Peers {
    secret: Present,
    /// The runtime to which connections belong: threads that call come and go.
    home: Handle,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
}

/// What a peer said to a command, and may say later.
pub(crate) struct Asked<A: Aggregate> {
    /// What came of it.
    pub(crate) outcome: Outcome<A>,
    /// Where the aggregate at rest will come from.
    pub(crate) rest: Streaming<v1::ExecuteResponse>,
}

impl Peers {
    /// The way to nodes that know this secret. Connections belong to the caller's tokio runtime, which has to be driven
    /// for as long as they are used.
    #[must_use]
    pub fn new(secret: &ClusterSecret) -> Self {
        Self {
            secret: Present::new(secret),
            home: Handle::current(),
            channels: Arc::default(),
        }
    }

    /// Asks the node at `address` to carry out a command, and waits for what comes of it.
    pub(crate) async fn execute<A: OnWire>(
        &self,
        address: &str,
        shard: ShardRef,
        request: &Request<A>,
        want_at_rest: bool,
    ) -> Result<Asked<A>, Failure> {
        let Some(message) = wire::write_request(shard, request, want_at_rest) else {
            tracing::error!(%shard, "a command was sent that is only for a shard itself");
            return Err(Failure::Unavailable(Unavailable::NotServing));
        };
        let mut client = self.client(address)?;
        let asking = async {
            let mut rest = client.execute(message).await?.into_inner();
            let first = rest.message().await?;
            let outcome = match first.and_then(wire::read_outcome::<A>) {
                Some(outcome) => outcome.map_err(ExecuteError::Rejected),
                None => Err(ExecuteError::Unavailable(Unavailable::CommitFailed)),
            };
            if !(want_at_rest && matches!(outcome, Ok(Executed::Done(_)))) {
                // Nothing more is said. It is heard to its end: streams that are broken off count against a connection,
                // and after some thousand of them HTTP/2 gives it up.
                while rest.message().await?.is_some() {}
            }
            Ok((outcome, rest))
        };
        let (outcome, rest) = self.within(address, ANSWER_WAIT_MAX, asking).await?;
        Ok(Asked { outcome, rest })
    }

    /// Waits at the node at `address` until an aggregate is at rest.
    pub(crate) async fn watch<A: OnWire>(
        &self,
        address: &str,
        shard: ShardRef,
        id: u64,
        wait: Duration,
    ) -> Result<Option<A>, Failure> {
        let mut client = self.client(address)?;
        let watching = client.watch(v1::WatchRequest {
            shard: Some(shard.into()),
            aggregate_id: id,
            wait_ms: wire::millis(wait),
        });
        let response = self.within(address, wait + WATCH_GRACE, watching).await?;
        let at_rest = response.into_inner().at_rest;
        Ok(at_rest.and_then(|state| wire::understood(A::read_state(state))))
    }

    /// Asks the node at `address` to give a shard up for the node `to`, and waits until it has.
    ///
    /// # Errors
    /// [`Failure`]. One that is no refusal may still be carried out later.
    pub async fn hand_over(&self, address: &str, shard: ShardRef, to: &str) -> Result<(), Failure> {
        let mut client = self.client(address)?;
        let asking = client.hand_over(v1::HandOverRequest {
            shard: Some(shard.into()),
            to: to.to_owned(),
        });
        self.within(address, HAND_OVER_WAIT_MAX, asking)
            .await
            .map(drop)
    }

    /// Asks the node at `address` to deal with a parked command of its shard.
    pub(crate) async fn deal_with_parked(
        &self,
        address: &str,
        shard: ShardRef,
        id: u64,
        action: ParkedAction,
    ) -> Result<Result<(), ParkedError>, Failure> {
        let mut client = self.client(address)?;
        let asking = client.deal_with_parked(v1::DealWithParkedRequest {
            shard: Some(shard.into()),
            id,
            action: wire::write_action(action).into(),
        });
        let response = self.within(address, ANSWER_WAIT_MAX, asking).await?;
        wire::read_parked(response.into_inner())
            .ok_or(Failure::Unavailable(Unavailable::CommitFailed))
    }

    /// Injects a fault, given as JSON, into the node at `address`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn inject_fault(&self, address: &str, json: String) -> Result<(), Failure> {
        let mut client = self.client(address)?;
        let asking = client.inject_fault(v1::InjectFaultRequest { json });
        self.within(address, FAULT_WAIT_MAX, asking).await.map(drop)
    }

    /// Ends all faults of the node at `address`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn clear_faults(&self, address: &str) -> Result<(), Failure> {
        let mut client = self.client(address)?;
        let asking = client.clear_faults(v1::ClearFaultsRequest {});
        self.within(address, FAULT_WAIT_MAX, asking).await.map(drop)
    }

    /// Carries a call out within a deadline, and says what a failure means.
    async fn within<T>(
        &self,
        address: &str,
        wait: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Failure> {
        let status = match timeout(wait, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => status,
            Err(_) => Status::new(Code::DeadlineExceeded, "no answer in time"),
        };
        let failure = refusal::failure(address, &status);
        if failure == Failure::Unavailable(Unavailable::CommitFailed) {
            // Whatever is wrong with the connection, the next call is to have a new one.
            self.channels().remove(address);
        }
        Err(failure)
    }

    fn client(&self, address: &str) -> Result<Client, Failure> {
        let mut channels = self.channels();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let _entered = self.home.enter();
                let channel = connect(address).map_err(|error| {
                    tracing::error!(peer = address, %error, "the address of a peer cannot be used");
                    Failure::Refused { owner: None }
                })?;
                if channels.len() >= CONNECTIONS_MAX {
                    channels.clear();
                }
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(ShardServiceClient::with_interceptor(
            channel,
            self.secret.clone(),
        ))
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<String, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is made when it is first used.
fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?
        .connect_timeout(CONNECT_WAIT_MAX)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_WAIT_MAX)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

/// The aggregate at rest, once a peer says so; `None` if it never does.
pub(crate) async fn at_rest<A: OnWire>(rest: &mut Streaming<v1::ExecuteResponse>) -> Option<A> {
    let message = rest.message().await.ok()??;
    while let Ok(Some(_)) = rest.message().await {}
    wire::read_at_rest(message)
}

//! What other nodes can ask of this one: commands for the shards that are open here, and to give a shard up.
//!
//! Nothing is passed on. A shard that is not open here is refused, with the address of its owner where that is known, so
//! a call goes through at most one other node, whatever the directories say.

use std::time::Duration;

use domain::{Domain, ShardRef};
use futures::stream::{self, BoxStream, StreamExt};
use proto::internal::{
    OnWire, shard,
    v1::{
        self,
        shard_service_server::{ShardService, ShardServiceServer},
    },
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use super::{ClusterSecret, DirectoryCache, HandOverRequest, refusal, wire};
use crate::{
    Shop, Unavailable,
    auth::UserHost,
    notifications::NotificationHost,
    orders::OrderHost,
    products::ProductHost,
    runtime::{
        Host,
        messages::{ExecuteError, Executed},
        shards::{Answers, Shards, answer},
    },
    system::{FaultError, ParkedError, System},
};

/// The longest time for which an aggregate is waited for: a little more than any client may ask for.
const REST_WAIT_MAX: Duration = Duration::from_secs(31);

/// The server's side of `ShardService`.
pub struct ShardServer {
    users: Shards<UserHost>,
    orders: Shards<OrderHost>,
    products: Shards<ProductHost>,
    notifications: Shards<NotificationHost>,
    system: System,
    secret: ClusterSecret,
    directory: Option<DirectoryCache>,
    hand_over: mpsc::Sender<HandOverRequest>,
}

type Responses = BoxStream<'static, Result<v1::ExecuteResponse, Status>>;

impl ShardServer {
    /// A server for the shards of `shop` that are open in this process, for those who know the secret. What others ask of
    /// their ownership goes to `hand_over`.
    #[must_use]
    pub fn new(
        shop: &Shop,
        secret: ClusterSecret,
        hand_over: mpsc::Sender<HandOverRequest>,
    ) -> Self {
        let cluster = shop.orders.shards.cluster();
        Self {
            directory: cluster.map(|cluster| cluster.directory.clone()),
            users: shop.auth.shards.here(),
            orders: shop.orders.shards.here(),
            products: shop.products.shards.here(),
            notifications: shop.system.notifications.here(),
            system: shop.system.clone(),
            secret,
            hand_over,
        }
    }

    /// The service; who does not know the secret gets UNAUTHENTICATED.
    #[must_use]
    pub fn into_service(self) -> ShardServiceServer<Self> {
        ShardServiceServer::new(self)
    }

    /// Lets nobody inject faults into a node whose own configuration does not allow it.
    fn allow_faults(&self) -> Result<(), Status> {
        if self.system.allows_faults() {
            return Ok(());
        }
        Err(Status::unimplemented(FaultError::NotAllowed.to_string()))
    }

    /// The status for a call that was not carried out.
    fn refuse(&self, shard: ShardRef, reason: &Unavailable) -> Status {
        let owner = match (&self.directory, reason) {
            // What the directory says of this node itself is no help.
            (Some(directory), Unavailable::NotServing) => directory
                .owner(shard)
                .filter(|owner| owner.node != self.system.node.as_ref()),
            _ => None,
        };
        refusal::status(reason, owner.as_ref().map(|owner| owner.address.as_str()))
    }

    async fn execute_at<H: Host>(
        &self,
        shards: &Shards<H>,
        shard: ShardRef,
        message: v1::ExecuteRequest,
    ) -> Result<Response<Responses>, Status> {
        let want_at_rest = message.want_at_rest;
        let request = wire::read_request::<H::Aggregate>(message)?;
        let Answers { reply, mut at_rest } = shards
            .send(shard.shard, request)
            .map_err(|reason| self.refuse(shard, &reason))?;
        let outcome = match answer::<H::Aggregate>(reply).await {
            Ok(executed) => Ok(executed),
            Err(ExecuteError::Rejected(rejection)) => Err(rejection),
            Err(ExecuteError::Unavailable(reason)) => return Err(self.refuse(shard, &reason)),
        };
        let is_done = matches!(outcome, Ok(Executed::Done(_)));
        let first = stream::iter([Ok(wire::write_outcome(outcome))]);
        if !(want_at_rest && is_done) {
            return Ok(Response::new(first.boxed()));
        }
        let second = stream::once(async move { at_rest.within(REST_WAIT_MAX).await })
            .filter_map(|state| async { Some(Ok(wire::write_at_rest(&state.ok()?))) });
        Ok(Response::new(first.chain(second).boxed()))
    }

    async fn watch_at<H: Host>(
        &self,
        shards: &Shards<H>,
        shard: ShardRef,
        message: v1::WatchRequest,
    ) -> Result<Response<v1::WatchResponse>, Status> {
        let wait = Duration::from_millis(message.wait_ms).min(REST_WAIT_MAX);
        let at_rest = shards
            .watch_here(shard.shard, message.aggregate_id, wait)
            .await
            .map_err(|reason| self.refuse(shard, &reason))?;
        Ok(Response::new(v1::WatchResponse {
            at_rest: at_rest.as_ref().map(OnWire::write_state),
        }))
    }
}

/// No shard of this domain has a journal.
fn no_shards(shard: ShardRef) -> Status {
    Status::unimplemented(format!("{shard} is no shard that can be asked"))
}

#[tonic::async_trait]
impl ShardService for ShardServer {
    type ExecuteStream = Responses;

    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<Responses>, Status> {
        let mut message = self.secret.admit(request)?;
        let shard = shard(message.shard.take()).map_err(wire::invalid)?;
        match shard.domain {
            Domain::Auth => self.execute_at(&self.users, shard, message).await,
            Domain::Orders => self.execute_at(&self.orders, shard, message).await,
            Domain::Products => self.execute_at(&self.products, shard, message).await,
            Domain::Notifications => self.execute_at(&self.notifications, shard, message).await,
            Domain::Payments | Domain::Logs => Err(no_shards(shard)),
        }
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<v1::WatchResponse>, Status> {
        let mut message = self.secret.admit(request)?;
        let shard = shard(message.shard.take()).map_err(wire::invalid)?;
        match shard.domain {
            Domain::Auth => self.watch_at(&self.users, shard, message).await,
            Domain::Orders => self.watch_at(&self.orders, shard, message).await,
            Domain::Products => self.watch_at(&self.products, shard, message).await,
            Domain::Notifications => self.watch_at(&self.notifications, shard, message).await,
            Domain::Payments | Domain::Logs => Err(no_shards(shard)),
        }
    }

    async fn hand_over(
        &self,
        request: Request<v1::HandOverRequest>,
    ) -> Result<Response<v1::HandOverResponse>, Status> {
        let message = self.secret.admit(request)?;
        let shard = shard(message.shard).map_err(wire::invalid)?;
        let (done, done_end) = oneshot::channel();
        let wish = HandOverRequest {
            shard,
            to: message.to,
            done,
        };
        self.hand_over
            .try_send(wish)
            .map_err(|_| self.refuse(shard, &Unavailable::Busy))?;
        done_end
            .await
            .map_err(|_| self.refuse(shard, &Unavailable::Restarted))?;
        Ok(Response::new(v1::HandOverResponse {}))
    }

    async fn deal_with_parked(
        &self,
        request: Request<v1::DealWithParkedRequest>,
    ) -> Result<Response<v1::DealWithParkedResponse>, Status> {
        let message = self.secret.admit(request)?;
        let action = wire::read_action(message.action())?;
        let shard = shard(message.shard).map_err(wire::invalid)?;
        let (number, id) = (shard.shard, message.id);
        let outcome: Result<(), ParkedError> = match shard.domain {
            Domain::Auth => self.users.deal_with_parked(number, id, action).await,
            Domain::Orders => self.orders.deal_with_parked(number, id, action).await,
            Domain::Products => self.products.deal_with_parked(number, id, action).await,
            Domain::Notifications => {
                self.notifications
                    .deal_with_parked(number, id, action)
                    .await
            }
            Domain::Payments | Domain::Logs => return Err(no_shards(shard)),
        };
        wire::write_parked(outcome)
            .map(Response::new)
            .map_err(|reason| self.refuse(shard, &reason))
    }

    async fn inject_fault(
        &self,
        request: Request<v1::InjectFaultRequest>,
    ) -> Result<Response<v1::InjectFaultResponse>, Status> {
        let message = self.secret.admit(request)?;
        self.allow_faults()?;
        let fault = serde_json::from_str(&message.json)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.system.inject_here(fault).await;
        Ok(Response::new(v1::InjectFaultResponse {}))
    }

    async fn clear_faults(
        &self,
        request: Request<v1::ClearFaultsRequest>,
    ) -> Result<Response<v1::ClearFaultsResponse>, Status> {
        self.secret.admit(request)?;
        self.allow_faults()?;
        self.system.clear_faults_here().await;
        Ok(Response::new(v1::ClearFaultsResponse {}))
    }
}

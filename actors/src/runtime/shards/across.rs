//! Shards of a cluster: asked where they are served, and asked again elsewhere if they surely did nothing.

use std::time::Duration;

use domain::{Domain, ShardRef};
use proto::internal::v1::ExecuteResponse;
use tokio::sync::oneshot;
use tonic::Streaming;

use super::{Awaited, Outcome, Request, Shards, answer};
use crate::{
    Unavailable,
    cluster::{
        Cluster,
        peers::{Asked, Failure, at_rest},
        route::{Place, Route},
    },
    runtime::{
        Host,
        messages::{ExecuteError, Executed, ParkedAction},
    },
    system::ParkedError,
};

/// The pause after a watch that came to nothing, so that storage is not looked at without end.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Where an aggregate at rest will come from.
pub(super) enum Rest<A> {
    Nowhere,
    Here(Awaited<A>),
    There(Box<Streaming<ExecuteResponse>>),
}

impl<H: Host> Shards<H> {
    /// Carries a command out and completes its answers.
    pub(super) async fn drive(
        self,
        shard: u16,
        request: Request<H::Aggregate>,
        reply: oneshot::Sender<Outcome<H::Aggregate>>,
        told_at_rest: oneshot::Sender<H::Aggregate>,
    ) {
        let Some(elsewhere) = &self.elsewhere else {
            return;
        };
        let (outcome, rest) = Box::pin(self.ask(elsewhere, shard, request, true)).await;
        let is_done = matches!(outcome, Ok(Executed::Done(_)));
        let _ = reply.send(outcome);
        if !is_done {
            return;
        }
        // Also if nobody wants to know any more: a stream that is read to its end costs a connection nothing, and one
        // that is broken off counts against it.
        if let Some(state) = coming(rest).await {
            let _ = told_at_rest.send(state);
        }
    }

    /// Carries a command out and completes its answer.
    pub(super) async fn ask_for_outcome(
        self,
        shard: u16,
        request: Request<H::Aggregate>,
        reply: oneshot::Sender<Outcome<H::Aggregate>>,
    ) {
        if let Some(elsewhere) = &self.elsewhere {
            let asking = Box::pin(self.ask(elsewhere, shard, request, false));
            let _ = reply.send(asking.await.0);
        }
    }

    /// Asks a shard to carry a command out, wherever it is served.
    pub(super) async fn ask(
        &self,
        (domain, cluster): &(Domain, Cluster),
        shard: u16,
        request: Request<H::Aggregate>,
        want_at_rest: bool,
    ) -> (Outcome<H::Aggregate>, Rest<H::Aggregate>) {
        let at = shard_at(*domain, shard);
        let mut route = Route::new(cluster, at);
        while let Some(place) = route.next().await {
            let owner = match place {
                Place::Here => match self.ask_here(shard, request.clone(), want_at_rest).await {
                    (Err(ExecuteError::Unavailable(Unavailable::NotServing)), _) => None,
                    answered => return answered,
                },
                Place::At(address) => {
                    let asking = cluster.peers.execute(&address, at, &request, want_at_rest);
                    match asking.await {
                        Ok(Asked { outcome, rest }) => {
                            return (outcome, Rest::There(Box::new(rest)));
                        }
                        Err(Failure::Unavailable(reason)) => return unavailable(reason),
                        Err(Failure::Refused { owner }) => owner,
                    }
                }
            };
            route.refused(owner);
        }
        unavailable(Unavailable::NotServing)
    }

    async fn ask_here(
        &self,
        shard: u16,
        request: Request<H::Aggregate>,
        want_at_rest: bool,
    ) -> (Outcome<H::Aggregate>, Rest<H::Aggregate>) {
        let (reply, reply_end) = oneshot::channel();
        let (told_at_rest, rest) = if want_at_rest {
            let (told, told_end) = oneshot::channel();
            (Some(told), Some(told_end))
        } else {
            (None, None)
        };
        match self.hand(shard, request, reply, told_at_rest) {
            Ok(life) => {
                let outcome = answer::<H::Aggregate>(Awaited::new(reply_end, Some(life.clone())));
                let rest = rest.map_or(Rest::Nowhere, |rest| {
                    Rest::Here(Awaited::new(rest, Some(life)))
                });
                (outcome.await, rest)
            }
            Err(reason) => unavailable(reason),
        }
    }

    pub(super) async fn watch_across(
        &self,
        (domain, cluster): &(Domain, Cluster),
        shard: u16,
        id: u64,
        wait: Duration,
    ) -> Option<H::Aggregate> {
        let at = shard_at(*domain, shard);
        let watched = match Route::new(cluster, at).place() {
            Some(Place::Here) => self.watch_here(shard, id, wait).await.ok(),
            Some(Place::At(address)) => {
                let watching = cluster.peers.watch::<H::Aggregate>(&address, at, id, wait);
                watching.await.ok()
            }
            None => None,
        };
        if watched.is_none() {
            tokio::time::sleep(WATCH_PAUSE.min(wait)).await;
        }
        watched.flatten()
    }

    pub(super) async fn deal_across(
        &self,
        (domain, cluster): &(Domain, Cluster),
        shard: u16,
        id: u64,
        action: ParkedAction,
    ) -> Result<(), ParkedError> {
        let at = shard_at(*domain, shard);
        let mut route = Route::new(cluster, at);
        while let Some(place) = route.next().await {
            let owner = match place {
                Place::Here => match self.deal_here(shard, id, action).await {
                    Err(ParkedError::Unavailable(Unavailable::NotServing)) => None,
                    answered => return answered,
                },
                Place::At(address) => {
                    match cluster
                        .peers
                        .deal_with_parked(&address, at, id, action)
                        .await
                    {
                        Ok(answered) => return answered,
                        Err(Failure::Unavailable(reason)) => return Err(reason.into()),
                        Err(Failure::Refused { owner }) => owner,
                    }
                }
            };
            route.refused(owner);
        }
        Err(Unavailable::NotServing.into())
    }
}

fn shard_at(domain: Domain, shard: u16) -> ShardRef {
    ShardRef { domain, shard }
}

fn unavailable<A: domain::Aggregate>(reason: Unavailable) -> (Outcome<A>, Rest<A>) {
    (Err(ExecuteError::Unavailable(reason)), Rest::Nowhere)
}

/// The aggregate at rest, once it comes; `None` if it never will.
async fn coming<A: proto::internal::OnWire>(rest: Rest<A>) -> Option<A> {
    match rest {
        Rest::Nowhere => None,
        Rest::Here(mut told) => told.within(Duration::MAX).await.ok(),
        Rest::There(mut stream) => at_rest(&mut stream).await,
    }
}

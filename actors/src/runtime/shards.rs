//! The shards of one domain, as services see them: one way to ask, wherever a shard is served.
//!
//! In one process every shard has an address, and a command is a message to it. In a cluster a shard that is open in
//! this process is reached in the same way, and any other by a call to the node that serves it.

mod across;
mod answers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Addressee, Aggregate, Domain, ShardRef};
use storage::TraceContext;
use tokio::sync::oneshot;

use super::{
    Host,
    handle::{Life, ShardHandle},
    messages::{DealWithParked, Execute, ExecuteError, Executed, KeyClaim, ParkedAction, Watch},
};
use crate::{Unavailable, cluster::Cluster, system::ParkedError, trace};
use answers::NoAnswer;
pub use answers::{Awaited, answer};

/// The longest wait for an answer, whatever happens. Beyond it nobody knows what came of the call.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// The shards of a domain.
pub struct Shards<H: Host> {
    /// By shard number; none in a process that hosts no shard of the domain.
    handles: Arc<[ShardHandle<H>]>,
    /// The way to those that are served elsewhere, where there are other nodes.
    elsewhere: Option<Arc<(Domain, Cluster)>>,
}

impl<H: Host> Clone for Shards<H> {
    fn clone(&self) -> Self {
        Self {
            handles: self.handles.clone(),
            elsewhere: self.elsewhere.clone(),
        }
    }
}

/// A command on its way, with what can go with it.
#[derive(Clone)]
pub struct Request<A: Aggregate> {
    /// To whom.
    pub addressee: Addressee<A>,
    /// The key it takes, if it takes one.
    pub key: Option<KeyClaim>,
    /// Whether it is only asked who has taken the key: if nobody has, nothing is done.
    pub asks_only: bool,
    /// The hash of a new user's password.
    pub credentials: Option<String>,
    /// The request that it goes back to: the one that the task which made this is part of.
    pub trace: Option<TraceContext>,
}

impl<A: Aggregate> Request<A> {
    /// A command for an aggregate that exists.
    pub fn existing(id: u64, command: A::Command) -> Self {
        Self::to(Addressee::Existing(id, command))
    }

    /// A command that creates an aggregate.
    pub fn new(draft: A::Draft) -> Self {
        Self::to(Addressee::New(draft))
    }

    fn to(addressee: Addressee<A>) -> Self {
        Self {
            addressee,
            key: None,
            asks_only: false,
            credentials: None,
            trace: trace::current(),
        }
    }
}

/// What comes of a command.
pub type Outcome<A> = Result<Executed<A>, ExecuteError<<A as Aggregate>::Rejection>>;

/// The answers that a command will get.
pub struct Answers<A: Aggregate> {
    /// After the commit.
    pub reply: Awaited<Outcome<A>>,
    /// After the commit that brings the aggregate to rest.
    pub at_rest: Awaited<A>,
}

impl<H: Host> Shards<H> {
    /// The shards of a domain. Those with a handle are reached there while they are open in this process; all others,
    /// or all if there is no handle, where the directory says, if there is one.
    #[must_use]
    pub fn new(domain: Domain, handles: Arc<[ShardHandle<H>]>, cluster: Option<&Cluster>) -> Self {
        Self {
            handles,
            elsewhere: cluster.map(|cluster| Arc::new((domain, cluster.clone()))),
        }
    }

    /// All handles of this process, by shard number.
    #[must_use]
    pub fn all(&self) -> &[ShardHandle<H>] {
        &self.handles
    }

    /// The cluster that these shards are spread over, if they are.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.elsewhere.as_deref().map(|(_, cluster)| cluster)
    }

    /// The same shards as far as they are open in this process: for calls that were passed on already.
    #[must_use]
    pub fn here(&self) -> Self {
        Self {
            handles: self.handles.clone(),
            elsewhere: None,
        }
    }

    /// Sends a command to a shard.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if its mailbox is full. In a cluster the reply says so.
    pub fn send(
        &self,
        shard: u16,
        request: Request<H::Aggregate>,
    ) -> Result<Answers<H::Aggregate>, Unavailable> {
        let (reply, reply_end) = oneshot::channel();
        let (at_rest, at_rest_end) = oneshot::channel();
        let life = match &self.elsewhere {
            None => Some(self.hand(shard, request, reply, Some(at_rest))?),
            Some(_) => {
                tokio::spawn(self.clone().drive(shard, request, reply, at_rest));
                None
            }
        };
        Ok(Answers {
            reply: Awaited::new(reply_end, life.clone()),
            at_rest: Awaited::new(at_rest_end, life),
        })
    }

    /// Sends a command to a shard and waits for the commit.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn execute(
        &self,
        shard: u16,
        request: Request<H::Aggregate>,
    ) -> Outcome<H::Aggregate> {
        if self.elsewhere.is_some() {
            // A task of its own, so that a caller who goes away breaks nothing off.
            let (reply, reply_end) = oneshot::channel();
            tokio::spawn(self.clone().ask_for_outcome(shard, request, reply));
            return answer::<H::Aggregate>(Awaited::new(reply_end, None)).await;
        }
        let (reply, reply_end) = oneshot::channel();
        let life = self
            .hand(shard, request, reply, None)
            .map_err(ExecuteError::Unavailable)?;
        answer::<H::Aggregate>(Awaited::new(reply_end, Some(life))).await
    }

    /// Waits until an aggregate is at rest, at most so long. `None`: storage has it as it is.
    pub async fn watch(&self, shard: u16, id: u64, wait: Duration) -> Option<H::Aggregate> {
        if let Some(elsewhere) = &self.elsewhere {
            return Box::pin(self.watch_across(elsewhere, shard, id, wait)).await;
        }
        self.watch_here(shard, id, wait).await.ok()?
    }

    /// Deals with a parked command of a shard, and waits for the commit.
    ///
    /// # Errors
    /// [`ParkedError`].
    pub async fn deal_with_parked(
        &self,
        shard: u16,
        id: u64,
        action: ParkedAction,
    ) -> Result<(), ParkedError> {
        if let Some(elsewhere) = &self.elsewhere {
            return Box::pin(self.deal_across(elsewhere, shard, id, action)).await;
        }
        self.deal_here(shard, id, action).await
    }

    /// The handle of a shard.
    fn handle(&self, shard: u16) -> Result<&ShardHandle<H>, Unavailable> {
        self.handles
            .get(usize::from(shard))
            .ok_or(Unavailable::NotServing)
    }

    /// Hands a command to a shard of this process, and tells of whose life the answer is.
    fn hand(
        &self,
        shard: u16,
        request: Request<H::Aggregate>,
        reply: oneshot::Sender<Outcome<H::Aggregate>>,
        at_rest: Option<oneshot::Sender<H::Aggregate>>,
    ) -> Result<Life, Unavailable> {
        let handle = self.handle(shard)?;
        let life = handle.life();
        handle
            .try_send(Execute {
                addressee: request.addressee,
                key: request.key,
                asks_only: request.asks_only,
                credentials: request.credentials,
                trace: request.trace,
                sent_at: Instant::now(),
                reply,
                at_rest,
            })
            .map_err(refused)?;
        Ok(life)
    }

    /// Watches at a shard of this process. One that does not serve is no answer.
    pub(crate) async fn watch_here(
        &self,
        shard: u16,
        id: u64,
        wait: Duration,
    ) -> Result<Option<H::Aggregate>, Unavailable> {
        let (reply, reply_end) = oneshot::channel();
        let handle = self.handle(shard)?;
        let mut at_rest = Awaited::new(reply_end, Some(handle.life()));
        handle.try_send(Watch { id, reply }).map_err(refused)?;
        match at_rest.within(wait).await {
            Ok(at_rest) => Ok(at_rest),
            Err(NoAnswer::Never) => Err(Unavailable::NotServing),
            Err(NoAnswer::Late) => Ok(None),
        }
    }

    async fn deal_here(
        &self,
        shard: u16,
        id: u64,
        action: ParkedAction,
    ) -> Result<(), ParkedError> {
        let (reply, reply_end) = oneshot::channel();
        let handle = self.handle(shard)?;
        let mut dealt_with = Awaited::new(reply_end, Some(handle.life()));
        handle
            .try_send(DealWithParked { id, action, reply })
            .map_err(refused)?;
        match dealt_with.within(ANSWER_WAIT_MAX).await {
            Ok(result) => result,
            Err(_) => Err(Unavailable::CommitFailed.into()),
        }
    }
}

fn refused<T>(error: actix::dev::SendError<T>) -> Unavailable {
    match error {
        actix::dev::SendError::Full(_) => Unavailable::Busy,
        actix::dev::SendError::Closed(_) => Unavailable::NotServing,
    }
}

/// The shard that decides about a name: a hash of it, the same on every platform and in every version.
#[must_use]
pub fn shard_of_name(name: &str, shards: u16) -> u16 {
    // FNV-1a, 64 bits.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    u16::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
}

/// The address of one shard, for what is not about its aggregates.
#[must_use]
pub fn shard_ref(domain: Domain, shard: usize) -> ShardRef {
    ShardRef {
        domain,
        shard: u16::try_from(shard).unwrap_or(u16::MAX),
    }
}

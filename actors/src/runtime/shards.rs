//! The shards of one domain, as services see them: an address each, and one way to ask.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use domain::{Aggregate, ShardRef};
use tokio::sync::oneshot;

use super::{
    Host,
    messages::{Addressee, CreationRows, Execute, ExecuteError, Executed, KeyClaim, Watch},
    shard::ShardActor,
};
use crate::Unavailable;

/// The longest wait for an answer, whatever happens. Beyond it nobody knows what came of the call.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// The addresses of a domain's shards, by shard number.
pub struct Shards<H: Host> {
    addresses: Arc<[Addr<ShardActor<H>>]>,
}

impl<H: Host> Clone for Shards<H> {
    fn clone(&self) -> Self {
        Self {
            addresses: self.addresses.clone(),
        }
    }
}

/// A command on its way, with what can go with it.
pub struct Request<A: Aggregate> {
    /// To whom.
    pub addressee: Addressee<A>,
    /// The key it takes, if it takes one.
    pub key: Option<KeyClaim>,
    /// A row that goes with it.
    pub row: Option<CreationRows>,
}

impl<A: Aggregate> Request<A> {
    /// A command for an aggregate that exists.
    pub fn existing(id: u64, command: A::Command) -> Self {
        Self {
            addressee: Addressee::Existing(id, command),
            key: None,
            row: None,
        }
    }

    /// A command that creates an aggregate.
    pub fn new(create: impl FnOnce(u64) -> A::Command + Send + 'static) -> Self {
        Self {
            addressee: Addressee::New(Box::new(create)),
            key: None,
            row: None,
        }
    }
}

/// The answers that a command will get.
pub struct Answers<A: Aggregate> {
    /// After the commit.
    pub reply: oneshot::Receiver<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    /// After the commit that brings the aggregate to rest.
    pub at_rest: oneshot::Receiver<A>,
}

impl<H: Host> Shards<H> {
    /// The shards with these addresses.
    #[must_use]
    pub fn new(addresses: Vec<Addr<ShardActor<H>>>) -> Self {
        Self {
            addresses: addresses.into(),
        }
    }

    /// All addresses, by shard number.
    #[must_use]
    pub fn all(&self) -> &[Addr<ShardActor<H>>] {
        &self.addresses
    }

    /// Sends a command to a shard.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if its mailbox is full.
    pub fn send(
        &self,
        shard: u16,
        request: Request<H::Aggregate>,
    ) -> Result<Answers<H::Aggregate>, Unavailable> {
        let (reply, reply_end) = oneshot::channel();
        let (at_rest, at_rest_end) = oneshot::channel();
        self.address(shard)?
            .try_send(Execute {
                addressee: request.addressee,
                key: request.key,
                row: request.row,
                reply,
                at_rest: Some(at_rest),
            })
            .map_err(refused)?;
        Ok(Answers {
            reply: reply_end,
            at_rest: at_rest_end,
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
    ) -> Result<Executed<H::Aggregate>, ExecuteError<<H::Aggregate as Aggregate>::Rejection>> {
        let (reply, reply_end) = oneshot::channel();
        self.address(shard)
            .map_err(ExecuteError::Unavailable)?
            .try_send(Execute {
                addressee: request.addressee,
                key: request.key,
                row: request.row,
                reply,
                at_rest: None,
            })
            .map_err(|error| ExecuteError::Unavailable(refused(error)))?;
        answer(reply_end).await
    }

    /// Waits until an aggregate is at rest, at most so long. `None`: storage has it as it is.
    pub async fn watch(&self, shard: u16, id: u64, wait: Duration) -> Option<H::Aggregate> {
        let (reply, reply_end) = oneshot::channel();
        let address = self.addresses.get(usize::from(shard))?;
        address.try_send(Watch { id, reply }).ok()?;
        tokio::time::timeout(wait, reply_end).await.ok()?.ok()?
    }

    /// The address of a shard.
    ///
    /// # Errors
    /// [`Unavailable::NotServing`] if there is no such shard.
    pub fn address(&self, shard: u16) -> Result<&Addr<ShardActor<H>>, Unavailable> {
        self.addresses
            .get(usize::from(shard))
            .ok_or(Unavailable::NotServing)
    }
}

/// Waits for the answer to a command.
///
/// # Errors
/// [`ExecuteError`]; one that never comes is [`Unavailable::CommitFailed`]: nobody knows.
pub async fn answer<A, R>(
    reply: oneshot::Receiver<Result<Executed<A>, ExecuteError<R>>>,
) -> Result<Executed<A>, ExecuteError<R>> {
    match tokio::time::timeout(ANSWER_WAIT_MAX, reply).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(ExecuteError::Unavailable(Unavailable::CommitFailed)),
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
pub fn shard_ref(domain: domain::Domain, shard: usize) -> ShardRef {
    ShardRef {
        domain,
        shard: u16::try_from(shard).unwrap_or(u16::MAX),
    }
}

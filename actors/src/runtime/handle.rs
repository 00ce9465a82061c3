//! The way to a shard's actor that stays the same when the actor is replaced.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use actix::{
    Actor, Addr, Handler, Message,
    dev::{SendError, ToEnvelope},
};
use tokio::sync::mpsc;

use super::{
    Host,
    messages::{Deliver, WriterSignal},
    shard::{Retired, ShardActor},
};
use crate::transport::Inbox;

/// One actor of a shard, with what it is told by.
pub struct Incumbent<H: Host> {
    /// Its address.
    pub address: Addr<ShardActor<H>>,
    /// Where the writer's signals go in.
    pub signals: mpsc::UnboundedSender<WriterSignal>,
    /// Makes it do nothing more once it has been replaced.
    pub retired: Retired,
}

/// The way to whichever actor serves a shard in this process.
pub struct ShardHandle<H: Host> {
    inner: Arc<Inner<H>>,
}

struct Inner<H: Host> {
    incumbent: RwLock<Incumbent<H>>,
    /// How many actors there have been before this one.
    replaced: Arc<AtomicU64>,
    /// Messages that did not fit the mailbox.
    refused: AtomicU64,
}

impl<H: Host> Clone for ShardHandle<H> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<H: Host> ShardHandle<H> {
    /// A way to this actor.
    #[must_use]
    pub fn new(incumbent: Incumbent<H>) -> Self {
        Self {
            inner: Arc::new(Inner {
                incumbent: RwLock::new(incumbent),
                replaced: Arc::default(),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Sends a message, unless the mailbox is full.
    ///
    /// # Errors
    /// Gives the message back.
    pub fn try_send<M>(&self, message: M) -> Result<(), SendError<M>>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        ShardActor<H>: Handler<M> + Actor,
        <ShardActor<H> as Actor>::Context: ToEnvelope<ShardActor<H>, M>,
    {
        let sent = self.with(|incumbent| incumbent.address.try_send(message));
        if let Err(SendError::Full(_)) = &sent {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Messages that did not fit its mailbox, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// The address of the actor as it is now.
    #[must_use]
    pub fn address(&self) -> Addr<ShardActor<H>> {
        self.with(|incumbent| incumbent.address.clone())
    }

    /// Passes on what the writer tells the shard.
    pub fn signal(&self, signal: WriterSignal) {
        // An actor that is gone has no use for it.
        let _ = self.with(|incumbent| incumbent.signals.send(signal));
    }

    /// Where a feed delivers records for the shard.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        let handle = self.clone();
        Inbox::new(move |delivery: Deliver| handle.try_send(delivery))
    }

    /// The present actor's life, to be taken before a message is sent to it.
    #[must_use]
    pub fn life(&self) -> Life {
        Life {
            replaced: self.inner.replaced.clone(),
            at: self.inner.replaced.load(Ordering::Acquire),
        }
    }

    /// Puts another actor in the place of the present one, which does nothing more from now on.
    pub fn replace(&self, incumbent: Incumbent<H>) {
        let mut place = self
            .inner
            .incumbent
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        place.retired.retire();
        *place = incumbent;
        self.inner.replaced.fetch_add(1, Ordering::Release);
    }

    fn with<T>(&self, look: impl FnOnce(&Incumbent<H>) -> T) -> T {
        let incumbent = self.inner.incumbent.read();
        look(&incumbent.unwrap_or_else(PoisonError::into_inner))
    }
}

/// The time from one replacement of a shard's actor to the next.
#[derive(Clone, Debug)]
pub struct Life {
    replaced: Arc<AtomicU64>,
    at: u64,
}

impl Life {
    /// Whether the actor has been replaced: what it was asked it will not answer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.replaced.load(Ordering::Acquire) != self.at
    }
}

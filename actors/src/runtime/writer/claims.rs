//! How a writer comes by its shards, and loses them.

use std::time::Duration;

use domain::ShardRef;
use engine::Head;
use futures::future::join_all;
use storage::StorageError;

use super::{JournalWriter, Order};
use crate::runtime::messages::WriterSignal;

/// The wait between attempts to claim the shards again, at first.
const RECLAIM_BACKOFF_MIN: Duration = Duration::from_millis(20);
/// The longest wait between attempts to claim the shards again.
const RECLAIM_BACKOFF_MAX: Duration = Duration::from_secs(1);

impl JournalWriter {
    pub(super) async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Claim(shards, done) => {
                self.drain(&shards).await;
                let _ = done.send(self.claim(shards).await);
            }
            Order::Release(shard, done) => {
                self.drain(&[shard]).await;
                let _ = done.send(self.release(shard).await);
            }
        }
    }

    /// Takes nothing more of these shards, and commits what they had handed over: then they can be closed alone.
    async fn drain(&mut self, shards: &[ShardRef]) {
        for shard in shards {
            self.desk.lock().engine.seal(*shard);
        }
        self.commit_gathered().await;
    }

    /// Takes shards whoever serves them now.
    async fn claim(&mut self, shards: Vec<ShardRef>) -> Vec<(ShardRef, Result<u64, StorageError>)> {
        let (journal, owner) = (&self.env.journal, &self.owner);
        let mine = shards
            .into_iter()
            .filter(|shard| self.shards.contains_key(shard));
        let claims =
            mine.map(|shard| async move { (shard, journal.claim(shard, owner, None).await) });
        let claimed = join_all(claims).await;
        claimed
            .into_iter()
            .map(|(shard, claimed)| {
                let epoch = claimed.map(|head| {
                    self.drop_shard(shard);
                    self.open(shard, head)
                });
                (shard, epoch)
            })
            .collect()
    }

    fn open(&mut self, shard: ShardRef, head: Head<ShardRef>) -> u64 {
        let epoch = head.epoch;
        self.epochs.insert(shard, epoch);
        let (generation, term) = {
            let engine = &mut self.desk.lock().engine;
            (engine.open(shard, head.clone()), engine.term())
        };
        self.feed.opened(shard, head.last_position);
        let opened = WriterSignal::Opened {
            generation,
            term,
            head,
        };
        self.signal(shard, opened);
        epoch
    }

    /// Serves a shard no more, which was drained. Returns its epoch if it was being served.
    fn drop_shard(&mut self, shard: ShardRef) -> Option<u64> {
        let epoch = {
            let engine = &mut self.desk.lock().engine;
            let epoch = engine.epoch(shard)?;
            engine.close(shard);
            epoch
        };
        self.epochs.remove(&shard);
        self.feed.closed(shard);
        self.signal(shard, WriterSignal::Closed);
        Some(epoch)
    }

    async fn release(&mut self, shard: ShardRef) -> Option<u64> {
        let epoch = self.drop_shard(shard)?;
        if let Err(error) = self.env.journal.release(shard, epoch).await {
            // Then the directory names an owner that does not serve it, until the next one claims it.
            tracing::warn!(%shard, %error, "a shard that is given up cannot be marked as free");
        }
        Some(epoch)
    }

    /// Leaves shards that others may serve to them.
    pub(super) async fn release_all(&mut self) {
        if self.ownership.is_some() {
            let shards: Vec<ShardRef> = self.epochs.keys().copied().collect();
            self.drain(&shards).await;
            for shard in shards {
                self.release(shard).await;
            }
        }
    }

    /// Claims every shard that it is to serve and opens it; tries until it succeeds. Gives up those that another owner
    /// has claimed.
    pub(super) async fn claim_again(&mut self) {
        self.is_claim_due = false;
        let mut backoff = RECLAIM_BACKOFF_MIN;
        loop {
            let (journal, owner) = (&self.env.journal, &self.owner);
            let claims = self.missing().into_iter().map(|(shard, epoch)| async move {
                let expected = (epoch > 0).then_some(epoch);
                (shard, journal.claim(shard, owner, expected).await)
            });
            for (shard, claimed) in join_all(claims).await {
                match claimed {
                    Ok(head) => {
                        self.open(shard, head);
                    }
                    Err(error) if error.is_fatal() => (self.env.on_fatal)(error.to_string()),
                    Err(StorageError::HeadMoved { .. }) => self.lose(shard),
                    Err(error) => {
                        tracing::warn!(%shard, %error, retry_in_ms = backoff.as_millis(), "a shard cannot be claimed yet");
                    }
                }
            }
            if self.missing().is_empty() {
                return;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(RECLAIM_BACKOFF_MAX);
        }
    }

    /// The shards that are to be served and are not open, with the epoch in which each was claimed last.
    fn missing(&self) -> Vec<(ShardRef, u64)> {
        let engine = &self.desk.lock().engine;
        let epochs = self.epochs.iter().map(|(shard, epoch)| (*shard, *epoch));
        epochs
            .filter(|(shard, _)| engine.epoch(*shard).is_none())
            .collect()
    }

    /// Closes shards whose actors were replaced, to claim them again: in the new epoch nothing counts that the former
    /// actors still hand over. What they had handed over before is committed first, because others may rest on it.
    pub(super) fn close_replaced(&mut self) {
        let drained = self.desk.lock().engine.drained();
        for shard in drained {
            self.desk.lock().engine.close(shard);
            self.feed.closed(shard);
            self.signal(shard, WriterSignal::Closed);
            self.is_claim_due = true;
        }
    }

    fn lose(&mut self, shard: ShardRef) {
        match &self.ownership {
            Some(ownership) => {
                tracing::warn!(%shard, "another owner has taken a shard over; it is served here no more");
                let epoch = self.epochs.remove(&shard).unwrap_or(0);
                let _ = ownership.lost.send((shard, epoch));
            }
            None => (self.env.on_fatal)(format!("another owner has taken {shard} over")),
        }
    }
}

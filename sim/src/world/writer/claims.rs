//! How a writer comes by its shards, and loses them.

use domain::ShardRef;
use engine::{Head, shard::calls::WriterSignal};

use crate::world::{
    World,
    event::{Desk, Event},
    mutation::Mutation,
    store::Refused,
};

/// The longest wait between two attempts to claim shards again, in milliseconds.
const RECLAIM_BACKOFF_MAX_MS: u64 = 1_000;

impl World {
    pub(super) fn claim_again(&mut self, desk: Desk) {
        let writer = self.writer(desk);
        writer.is_claim_due = false;
        let missing: Vec<(ShardRef, u64)> = writer
            .epochs
            .iter()
            .filter(|(shard, _)| writer.engine.epoch(**shard).is_none())
            .map(|(shard, epoch)| (*shard, *epoch))
            .collect();
        for (shard, epoch) in missing {
            self.ask_for(desk, shard, Some(epoch));
        }
        if self.writer(desk).claims_open == 0 {
            self.begin_commit(desk);
        }
    }

    /// Asks the store for a shard; `expected` is the epoch in which it was served, if it was.
    pub(super) fn ask_for(&mut self, desk: Desk, shard: ShardRef, expected: Option<u64>) {
        self.writer(desk).claims_open += 1;
        let read_before = self
            .clockwork
            .breaks(Mutation::LoadBeforeClaim)
            .then(|| self.store.of(shard).head.clone());
        let wait = self.clockwork.draw(0..8);
        self.clockwork
            .after(wait, Event::Claim(desk, shard, expected, read_before));
    }

    /// A claim reaches the store.
    pub(in crate::world) fn claim(
        &mut self,
        desk: Desk,
        shard: ShardRef,
        expected: Option<u64>,
        read_before: Option<Head<ShardRef>>,
    ) {
        let result = if !self.clockwork.store_answers() {
            Err(Refused::Unknown)
        } else {
            self.store.claim(shard, desk.node, expected)
        };
        let result = result.map(|head| match read_before {
            Some(before) => Head {
                sent: before.sent,
                watermarks: before.watermarks,
                ..head
            },
            None => head,
        });
        self.clockwork
            .note(|| format!("node {} claims {shard}: {result:?}", desk.node));
        let wait = self.clockwork.draw(0..8);
        self.clockwork.after(
            wait,
            Event::Claimed(desk, shard, expected.is_none(), result),
        );
    }

    /// A writer is told what became of its claim.
    pub(in crate::world) fn claimed(
        &mut self,
        desk: Desk,
        shard: ShardRef,
        is_order: bool,
        result: Result<Head<ShardRef>, Refused>,
    ) {
        self.writer(desk).claims_open -= 1;
        match result {
            Ok(head) => {
                if is_order {
                    self.drop_shard(desk, shard);
                }
                self.open(desk, shard, head);
            }
            Err(Refused::HeadMoved) => {
                // Another owner has taken it: it is served here no more.
                self.writer(desk).epochs.remove(&shard);
            }
            Err(_) => {}
        }
        let writer = self.writer(desk);
        if writer.claims_open > 0 {
            return;
        }
        let is_missing = writer
            .epochs
            .keys()
            .any(|shard| writer.engine.epoch(*shard).is_none());
        if is_missing {
            let wait = writer.backoff_ms;
            writer.backoff_ms = (wait * 2).min(RECLAIM_BACKOFF_MAX_MS);
            self.clockwork.after(wait, Event::ClaimAgain(desk));
        } else {
            writer.backoff_ms = 20;
        }
        self.go_on(desk);
    }

    /// A writer tries again to claim what it is to serve.
    pub(in crate::world) fn try_again(&mut self, desk: Desk) {
        self.writer(desk).is_claim_due = true;
        self.go_on(desk);
    }

    fn open(&mut self, desk: Desk, shard: ShardRef, head: Head<ShardRef>) {
        let writer = self.writer(desk);
        writer.epochs.insert(shard, head.epoch);
        let generation = writer.engine.open(shard, head.clone());
        let term = writer.engine.term();
        self.open_lane(desk.node, shard, head.last_position);
        let opened = WriterSignal::Opened {
            generation,
            term,
            head,
        };
        self.signal(desk, shard, opened);
    }

    fn drop_shard(&mut self, desk: Desk, shard: ShardRef) -> Option<u64> {
        let writer = self.writer(desk);
        let epoch = writer.engine.epoch(shard)?;
        if !writer.engine.close(shard) {
            self.clockwork
                .violations
                .push(format!("{shard} is closed while it has something gathered"));
            return None;
        }
        writer.epochs.remove(&shard);
        self.close_lane(desk.node, shard);
        self.signal(desk, shard, WriterSignal::Closed);
        Some(epoch)
    }

    pub(super) fn release(&mut self, desk: Desk, shard: ShardRef) {
        if let Some(epoch) = self.drop_shard(desk, shard) {
            self.store.release(shard, epoch);
        }
    }

    /// Closes shards with new actors, once what the old ones had handed over is committed.
    pub(super) fn close_replaced(&mut self, desk: Desk) {
        let writer = self.writer(desk);
        for shard in writer.engine.drained() {
            let writer = self.writer(desk);
            writer.engine.close(shard);
            writer.is_claim_due = true;
            self.close_lane(desk.node, shard);
            self.signal(desk, shard, WriterSignal::Closed);
        }
    }
}

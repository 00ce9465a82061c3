//! The journal writers of a node: they claim shards, commit what these hand over, and end their generation when a commit
//! fails. What is decided about batches and generations is the engine's.

use std::collections::{BTreeMap, VecDeque};

use domain::ShardRef;
use engine::{
    Head, Ticket, Unavailable, Writer,
    shard::calls::{Companion, Completion, Entry, WriterSignal},
};

use super::{
    World,
    event::{Desk, Event, Mail},
    mutation::Mutation,
    plan::{Fault, Intervention},
    rules::{Recorded, Row, ShopRules},
    store::{Commit, Refused, Transaction},
};

/// The longest wait between two attempts to claim shards again, in milliseconds.
const RECLAIM_BACKOFF_MAX_MS: u64 = 1_000;

/// A writer.
pub(super) struct WriterState {
    engine: Writer<ShardRef, Recorded, Companion<ShardRef, Row>>,
    /// The shards to serve, with the epoch in which each was claimed last.
    pub(super) epochs: BTreeMap<ShardRef, u64>,
    mail: VecDeque<Mail>,
    under_way: Option<UnderWay>,
    claims_open: usize,
    is_claim_due: bool,
    backoff_ms: u64,
}

/// The transaction under way.
struct UnderWay {
    number: u64,
    commits: Vec<Commit>,
    completions: Vec<Completion>,
    newest: BTreeMap<ShardRef, Ticket>,
}

impl WriterState {
    /// One that serves nothing.
    pub(super) fn new() -> Self {
        Self {
            engine: Writer::default(),
            epochs: BTreeMap::new(),
            mail: VecDeque::new(),
            under_way: None,
            claims_open: 0,
            is_claim_due: false,
            backoff_ms: 20,
        }
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.mail.is_empty() && self.under_way.is_none() && self.claims_open == 0
    }

    /// The epoch in which it serves a shard.
    pub(super) fn epoch(&self, shard: ShardRef) -> Option<u64> {
        self.engine.epoch(shard)
    }
}

fn refuse(companions: impl IntoIterator<Item = Companion<ShardRef, Row>>) {
    for companion in companions {
        if let Some(completion) = companion.completion {
            completion(Err(Unavailable::CommitFailed));
        }
    }
}

impl World {
    fn writer(&mut self, desk: Desk) -> &mut WriterState {
        &mut self.nodes[desk.node].writers[desk.writer]
    }

    /// A writer has mail.
    pub(super) fn mailed(&mut self, desk: Desk, mail: Mail) {
        self.writer(desk).mail.push_back(mail);
        self.go_on(desk);
    }

    /// A writer does what it can.
    pub(super) fn go_on(&mut self, desk: Desk) {
        loop {
            let writer = self.writer(desk);
            if writer.under_way.is_some() {
                return;
            }
            if writer.claims_open > 0 {
                // While shards are claimed again, what is handed over is refused at once; orders wait.
                let mail = std::mem::take(&mut writer.mail);
                for mail in mail {
                    match mail {
                        Mail::Entries(entries) => self.take(desk, entries),
                        other => self.writer(desk).mail.push_back(other),
                    }
                }
                return;
            }
            let Some(mail) = writer.mail.pop_front() else {
                break;
            };
            match mail {
                Mail::Entries(entries) => self.take(desk, entries),
                Mail::Claim(shard) => self.ask_for(desk, shard, None),
                Mail::Release(shard) if self.writer(desk).engine.gathered() > 0 => {
                    // What the shard handed over before it came to rest is committed first.
                    self.writer(desk).mail.push_front(Mail::Release(shard));
                    self.begin_commit(desk);
                }
                Mail::Release(shard) => self.release(desk, shard),
                Mail::Replaced(shard) => self.close_replaced(desk, shard),
            }
        }
        if self.writer(desk).is_claim_due {
            self.claim_again(desk);
        } else {
            self.begin_commit(desk);
        }
    }

    fn take(&mut self, desk: Desk, entries: Vec<Entry<ShopRules>>) {
        let keeps_stale = self.clockwork.breaks(Mutation::StaleGeneration);
        let writer = self.writer(desk);
        for mut entry in entries {
            if keeps_stale && let Some(generation) = writer.engine.opened_in(entry.shard) {
                entry.generation = generation;
            }
            if let Err(companion) = writer.engine.submit(entry) {
                refuse([companion]);
            }
        }
    }

    fn begin_commit(&mut self, desk: Desk) {
        let batch_max = self.clockwork.plan.batch_max;
        let writer = self.writer(desk);
        let Some(batch) = writer.engine.begin(batch_max) else {
            return;
        };
        let mut rows = Vec::new();
        let mut completions = Vec::new();
        let mut newest = BTreeMap::new();
        for companion in batch.companions {
            newest.insert(companion.shard, companion.ticket);
            rows.extend(companion.rows.into_iter().map(|row| (companion.shard, row)));
            completions.extend(companion.completion);
        }
        let unwritten = newest
            .keys()
            .filter(|shard| !batch.commits.iter().any(|commit| commit.shard == **shard))
            .filter_map(|&shard| Some((shard, writer.engine.epoch(shard)?)))
            .collect();
        let transaction = Transaction {
            commits: batch.commits.clone(),
            rows,
            unwritten,
        };
        let number = self.send(desk, transaction);
        self.writer(desk).under_way = Some(UnderWay {
            number,
            commits: batch.commits,
            completions,
            newest,
        });
    }

    /// Sends a transaction to the store, which may fail in any of the known ways.
    fn send(&mut self, desk: Desk, transaction: Transaction) -> u64 {
        self.transactions_begun += 1;
        let number = self.transactions_begun;
        let clockwork = &mut self.clockwork;
        let reaches_in = clockwork.draw(0..6);
        let told_in = reaches_in + clockwork.draw(0..6);
        let unknown = Event::Committed(desk, number, Err(Refused::Unknown));
        if !clockwork.store_answers() || clockwork.strikes(Fault::CommitFails) {
            clockwork.after(told_in, unknown);
            return number;
        }
        self.transactions.insert(number, (desk, transaction, true));
        if clockwork.strikes(Fault::CommitUnknown) {
            clockwork.after(reaches_in, Event::Apply(number));
            clockwork.after(told_in + 1, unknown);
            self.forget_answer(number);
        } else if clockwork.strikes(Fault::CommitLate) {
            let late = told_in + clockwork.draw(1..3_000);
            clockwork.after(told_in, unknown);
            clockwork.after(late, Event::Apply(number));
            self.forget_answer(number);
        } else {
            clockwork.after(reaches_in, Event::Apply(number));
        }
        number
    }

    /// The store's answer to this transaction is lost.
    fn forget_answer(&mut self, number: u64) {
        if let Some((_, _, is_answered)) = self.transactions.get_mut(&number) {
            *is_answered = false;
        }
    }

    /// A transaction reaches the store.
    pub(super) fn apply(&mut self, number: u64) {
        let Some((desk, transaction, is_answered)) = self.transactions.remove(&number) else {
            return;
        };
        let told_in = self.clockwork.draw(0..6);
        let (transaction, later) = self.split_watermarks(transaction);
        let result = if self.clockwork.store_answers() {
            self.ledger
                .before(&self.store, &transaction, &mut self.clockwork);
            let result = self.store.commit(&transaction);
            if result.is_ok() {
                self.ledger
                    .after(&self.store, &transaction, &mut self.clockwork);
                self.clockwork.note(|| describe(desk, &transaction));
                if self.clockwork.intervention
                    == Some(Intervention::CrashAfterWrite(self.ledger.commits))
                {
                    self.crash(desk.node);
                    return;
                }
            }
            result
        } else {
            Err(Refused::Unknown)
        };
        if let (Ok(()), Some(later)) = (&result, later)
            && !self.clockwork.chance(0.02)
        {
            self.store.move_watermarks(&later);
        }
        if is_answered {
            self.clockwork
                .after(told_in, Event::Committed(desk, number, result));
        }
    }

    /// Takes the watermarks out of a transaction, in a program that is wrong to store them apart.
    fn split_watermarks(&self, mut transaction: Transaction) -> (Transaction, Option<Vec<Commit>>) {
        if !self.clockwork.breaks(Mutation::WatermarkOutsideTransaction) {
            return (transaction, None);
        }
        let later = transaction.commits.clone();
        for commit in &mut transaction.commits {
            commit.watermarks.clear();
        }
        (transaction, Some(later))
    }

    /// A writer is told what became of its transaction.
    pub(super) fn committed(&mut self, desk: Desk, number: u64, result: Result<(), Refused>) {
        let writer = self.writer(desk);
        let Some(under_way) = writer.under_way.take_if(|it| it.number == number) else {
            return;
        };
        match result {
            Ok(()) => {
                writer.engine.committed();
                for completion in under_way.completions {
                    completion(Ok(()));
                }
                for commit in &under_way.commits {
                    self.publish(desk, commit);
                }
                for (shard, ticket) in under_way.newest {
                    if let Some(generation) = self.writer(desk).engine.opened_in(shard) {
                        self.signal(desk, shard, WriterSignal::Committed { generation, ticket });
                    }
                }
            }
            Err(_) => {
                for completion in under_way.completions {
                    completion(Err(Unavailable::CommitFailed));
                }
                self.end_generation(desk);
            }
        }
        self.go_on(desk);
    }

    fn end_generation(&mut self, desk: Desk) {
        let writer = self.writer(desk);
        refuse(writer.engine.failed());
        writer.is_claim_due = true;
        for shard in writer.epochs.keys().copied().collect::<Vec<_>>() {
            self.close_lane(desk.node, shard);
            self.signal(desk, shard, WriterSignal::Closed);
        }
    }

    fn signal(&mut self, desk: Desk, shard: ShardRef, signal: WriterSignal<ShardRef>) {
        let node = &mut self.nodes[desk.node];
        if let Some(instance) = node.current(shard)
            && let Some(hosted) = node.hosted.get_mut(&(shard, instance))
        {
            hosted.signal(&mut self.clockwork, signal);
        }
    }

    fn claim_again(&mut self, desk: Desk) {
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
    fn ask_for(&mut self, desk: Desk, shard: ShardRef, expected: Option<u64>) {
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
    pub(super) fn claim(
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
    pub(super) fn claimed(
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
    pub(super) fn try_again(&mut self, desk: Desk) {
        self.writer(desk).is_claim_due = true;
        self.go_on(desk);
    }

    fn open(&mut self, desk: Desk, shard: ShardRef, head: Head<ShardRef>) {
        let writer = self.writer(desk);
        writer.epochs.insert(shard, head.epoch);
        let generation = writer.engine.open(shard, head.clone());
        self.open_lane(desk.node, shard, head.last_position);
        self.signal(desk, shard, WriterSignal::Opened { generation, head });
    }

    fn drop_shard(&mut self, desk: Desk, shard: ShardRef) -> Option<u64> {
        let writer = self.writer(desk);
        let epoch = writer.engine.epoch(shard)?;
        refuse(writer.engine.close(shard));
        writer.epochs.remove(&shard);
        self.close_lane(desk.node, shard);
        self.signal(desk, shard, WriterSignal::Closed);
        Some(epoch)
    }

    fn release(&mut self, desk: Desk, shard: ShardRef) {
        if let Some(epoch) = self.drop_shard(desk, shard) {
            self.store.release(shard, epoch);
        }
    }

    fn close_replaced(&mut self, desk: Desk, shard: ShardRef) {
        let writer = self.writer(desk);
        if writer.engine.epoch(shard).is_some() {
            refuse(writer.engine.close(shard));
            writer.is_claim_due = true;
            self.close_lane(desk.node, shard);
            self.signal(desk, shard, WriterSignal::Closed);
        }
    }
}

fn describe(desk: Desk, transaction: &Transaction) -> String {
    let mut text = format!("node {} writer {} commits", desk.node, desk.writer);
    for commit in &transaction.commits {
        text += &format!(
            "\n            {} epoch {} revision {} watermarks {:?}",
            commit.shard, commit.epoch, commit.revision, commit.watermarks
        );
        for record in &commit.records {
            text += &format!(
                "\n              {} about {} #{}: {:?}",
                record.position, record.payload.about, record.payload.seq, record.payload.event
            );
        }
    }
    text
}

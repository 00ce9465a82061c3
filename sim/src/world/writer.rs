//! The journal writers of a node: they claim shards, commit what these hand over, and end their generation when a commit
//! fails. What is decided about batches and generations is the engine's.

mod claims;
mod sending;

use std::collections::{BTreeMap, VecDeque};

use domain::ShardRef;
use engine::{
    Ticket, Unavailable, Writer,
    shard::calls::{Companion, Completion, Entry, WriterSignal},
};

use super::{
    World,
    event::{Desk, Mail},
    mutation::Mutation,
    rules::{Recorded, Row, ShopRules},
    store::{Commit, Refused, Transaction},
};

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

    /// Its term.
    pub(super) const fn term(&self) -> u64 {
        self.engine.term()
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
                return;
            }
            self.close_replaced(desk);
            let writer = self.writer(desk);
            let Some(mail) = writer.mail.pop_front() else {
                break;
            };
            match mail {
                Mail::Entries(entries) => self.take(desk, entries),
                Mail::Claim(_) | Mail::Release(_) if self.writer(desk).engine.gathered() > 0 => {
                    // What shards had handed over is committed first: others may rest on it.
                    self.writer(desk).mail.push_front(mail);
                    self.begin_commit(desk);
                    if self.writer(desk).under_way.is_none() {
                        self.clockwork
                            .violations
                            .push("something gathered is never committed".to_owned());
                        return;
                    }
                }
                Mail::Claim(shard) => self.ask_for(desk, shard, None),
                Mail::Release(shard) => self.release(desk, shard),
                Mail::Replaced(shard) => self.writer(desk).engine.seal(shard),
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
        for mut entry in entries {
            let writer = self.writer(desk);
            if keeps_stale && let Some(generation) = writer.engine.opened_in(entry.shard) {
                entry.generation = generation;
            }
            let source = entry.shard;
            match writer.engine.submit(entry) {
                Ok(records) => {
                    let records = records.to_vec();
                    self.run_ahead(desk, source, &records);
                }
                Err(companion) => refuse([companion]),
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

    /// A writer is told what became of its transaction.
    pub(super) fn committed(&mut self, desk: Desk, number: u64, result: Result<(), Refused>) {
        let writer = self.writer(desk);
        let Some(under_way) = writer.under_way.take_if(|it| it.number == number) else {
            return;
        };
        match result {
            Ok(()) => {
                writer.engine.committed();
                // The next transaction is begun before anybody is told of this one, unless shards are to be closed.
                if !writer.is_claim_due && writer.engine.drained().is_empty() {
                    self.begin_commit(desk);
                }
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
}

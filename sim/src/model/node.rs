//! A node that serves one shard: what it has in memory, how it is claimed, and what a failure takes from it.
//!
//! The writer, the inlet, the confirmation of links and the aggregates in memory are the engine's and the domain's own.
//! A node decides one thing at a time, so that turns retire at once: [`engine::Pipeline`] is not needed.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Aggregate, InMemory, ShardRef, UserId,
    orders::{Order, OrderStatus},
    parking::ParkedCommand,
    products::Product,
};
use engine::{Batch, Confirmation, Entry, Inlet, NewRecord, Writer};

use super::{
    mutation::Mutation,
    store::{Payload, Row, Stored},
};

/// More entries than ever gather.
const BATCH_ENTRIES_MAX: usize = 1_024;

/// What a customer is told about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// Who is told.
    pub user: UserId,
    /// Of which order.
    pub order: domain::OrderId,
    /// What its status is.
    pub status: OrderStatus,
}

/// What goes with an entry of the writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Companion {
    /// Rows of the same transaction.
    pub rows: Vec<Row>,
    /// Who is told what after the commit.
    pub told: Vec<Told>,
}

/// A transaction.
pub type Transaction = Batch<ShardRef, Payload, Companion>;

/// What came of a transaction, which its node may not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It has not reached the store.
    Pending,
    /// It is committed.
    Landed,
    /// The head was another one.
    Refused,
}

/// What a turn wants committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    pub(super) records: Vec<NewRecord<ShardRef, Payload>>,
    pub(super) last_id: Option<u64>,
    pub(super) watermark: Option<u64>,
    pub(super) companion: Companion,
}

/// Orders that are overdue, and how far the confirmation of the links that they wait on has come.
pub type Expiry = (Vec<u64>, Confirmation);

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The shard that it serves.
    pub shard: ShardRef,
    /// The other one, of which it reads the records.
    pub source: ShardRef,
    /// The epoch in which it has claimed it; 0 before the first time.
    pub epoch: u64,
    /// Whether it serves.
    pub is_open: bool,
    /// The transaction under way.
    pub under_way: Option<(Transaction, Outcome)>,
    /// Aggregates that have failed, and are not loaded while events of them are uncommitted.
    pub barred: BTreeSet<u64>,
    /// What is set aside, as far as it knows.
    pub parked: Vec<ParkedCommand>,
    pub(super) dealing_with: BTreeSet<u64>,
    pub(super) writer: Writer<ShardRef, Payload, Companion>,
    pub(super) generation: u64,
    pub(super) inlet: Inlet,
    pub(super) last_id: u64,
    pub(super) orders: BTreeMap<u64, InMemory<Order>>,
    pub(super) products: BTreeMap<u64, InMemory<Product>>,
    pub(super) expiry: Option<Expiry>,
    /// Entries of an older generation, which a broken rule hands over again.
    stale: Vec<Entry<ShardRef, Payload, Companion>>,
}

impl Node {
    /// A node that is to serve this shard and has not claimed it.
    #[must_use]
    pub fn new(shard: ShardRef, source: ShardRef) -> Self {
        Self {
            shard,
            source,
            epoch: 0,
            is_open: false,
            under_way: None,
            barred: BTreeSet::new(),
            parked: Vec::new(),
            dealing_with: BTreeSet::new(),
            writer: Writer::default(),
            generation: 0,
            inlet: Inlet::new(0),
            last_id: 0,
            orders: BTreeMap::new(),
            products: BTreeMap::new(),
            expiry: None,
            stale: Vec::new(),
        }
    }

    /// Serves the shard from the head that was read after the claim.
    pub fn open(&mut self, stored: &Stored) {
        let head = stored.head.clone();
        self.epoch = head.epoch;
        self.last_id = self.last_id.max(head.last_id);
        self.inlet = Inlet::new(head.watermark(self.source));
        self.parked.clone_from(&stored.parked);
        self.generation = self.writer.open(self.shard, head);
        self.is_open = true;
        for mut entry in std::mem::take(&mut self.stale) {
            entry.generation = self.generation;
            let _ = self.writer.submit(entry);
        }
        self.begin();
    }

    /// Reads every aggregate: what must not be done before the claim.
    pub fn load_all(&mut self, stored: &Stored) {
        self.orders = loaded(&stored.orders);
        self.products = loaded(&stored.products);
    }

    /// Whether something that it has decided is uncommitted.
    #[must_use]
    pub fn has_tail(&self) -> bool {
        self.under_way.is_some() || self.writer.gathered() > 0
    }

    /// Hands a turn over to the writer. Returns what is told at once, against the rules.
    pub(super) fn submit(&mut self, work: Work, mutation: Option<Mutation>) -> Vec<Told> {
        let told = match mutation {
            Some(Mutation::ReplyBeforeCommit) => work.companion.told.clone(),
            _ => Vec::new(),
        };
        let entry = Entry {
            shard: self.shard,
            generation: self.generation,
            records: work.records,
            last_id: work.last_id,
            watermark: work.watermark.map(|position| (self.source, position)),
            companion: work.companion,
        };
        // One that is refused was decided in vain, and nobody is told of it.
        let _ = self.writer.submit(entry);
        self.begin();
        told
    }

    /// When idle, it commits at once.
    fn begin(&mut self) {
        if self.under_way.is_none() {
            let batch = self.writer.begin(BATCH_ENTRIES_MAX);
            self.under_way = batch.map(|batch| (batch, Outcome::Pending));
        }
    }

    /// Its transaction has been committed. Returns what was.
    pub(super) fn committed(&mut self) -> Option<Transaction> {
        let (batch, _) = self.under_way.take()?;
        self.writer.committed();
        if self.writer.gathered() == 0 {
            self.barred.clear();
            let at_rest = |order: &mut InMemory<Order>| {
                let state = order.state();
                state.is_some_and(Aggregate::at_rest)
            };
            self.orders.retain(|_, order| !at_rest(order));
        }
        self.begin();
        Some(batch)
    }

    /// Its transaction has failed, or nobody knows: the generation ends, and everything in memory is thrown away.
    /// Returns what was under way.
    pub(super) fn failed(&mut self, mutation: Option<Mutation>) -> Option<(Transaction, Outcome)> {
        if mutation == Some(Mutation::StaleGeneration) {
            self.stale = self.gathered();
        }
        let under_way = self.under_way.take();
        let _dropped = self.writer.failed();
        self.is_open = false;
        if mutation != Some(Mutation::MemoryOutlivesGeneration) {
            self.orders.clear();
            self.products.clear();
        }
        self.barred.clear();
        self.parked.clear();
        self.dealing_with.clear();
        self.expiry = None;
        under_way
    }

    /// What has gathered, as entries again.
    fn gathered(&self) -> Vec<Entry<ShardRef, Payload, Companion>> {
        let mut writer = self.writer.clone();
        writer.committed();
        let Some(batch) = writer.begin(BATCH_ENTRIES_MAX) else {
            return Vec::new();
        };
        let commits = batch.commits.into_iter();
        let mut companions = batch.companions.into_iter();
        commits
            .map(|commit| Entry {
                shard: commit.shard,
                generation: self.generation,
                records: commit
                    .records
                    .into_iter()
                    .map(|record| NewRecord {
                        payload: record.payload,
                        targets: record.stamps.iter().map(|stamp| stamp.target).collect(),
                    })
                    .collect(),
                last_id: Some(commit.last_id),
                watermark: commit.watermarks.into_iter().next(),
                companion: companions
                    .by_ref()
                    .fold(Companion::default(), |mut all, companion| {
                        all.rows.extend(companion.rows);
                        all.told.extend(companion.told);
                        all
                    }),
            })
            .collect()
    }
}

fn loaded<A: Aggregate>(rows: &BTreeMap<u64, (A, u64)>) -> BTreeMap<u64, InMemory<A>> {
    let one = |(id, row): (&u64, &(A, u64))| (*id, InMemory::new(Some(row.clone())));
    rows.iter().map(one).collect()
}

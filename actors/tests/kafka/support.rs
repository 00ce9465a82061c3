//! A journal with a pen, a directory in memory, and shards that note what they are given.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Arbiter, Context, Handler};
use actors::{
    runtime::{
        Faults,
        messages::{Deliver, Record},
    },
    transport::{
        Committed, Feed, Inbox,
        kafka::{ConsumerSetup, KafkaConfig, KafkaConsumer, KafkaFeed, PublisherSetup, topics},
    },
};
use async_trait::async_trait;
use domain::{
    Domain, Event, OrderId, ProductId, ShardRef, Timestamp, Topology, products::ProductEvent,
    routing,
};
use engine::{ShardCommit, Stamp, StampedRecord};
use storage::{
    Batch, Directory, DirectoryView, Incarnations, Journal, NewRecord, NodeRecord, Published,
    StorageError,
    sqlite::{OpenMode, SqliteStore},
};

/// The shards of every domain.
pub(crate) const SHARDS: u16 = 2;
pub(crate) const TOPOLOGY: Topology = Topology::uniform(SHARDS);
/// The life of every shard.
pub(crate) const LIFE: &str = "00000000000000aa";
/// The longest wait for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) const fn products(shard: u16) -> ShardRef {
    ShardRef {
        domain: Domain::Products,
        shard,
    }
}

pub(crate) const fn orders(shard: u16) -> ShardRef {
    ShardRef {
        domain: Domain::Orders,
        shard,
    }
}

/// The real broker, and a prefix that nobody else has.
pub(crate) fn config() -> KafkaConfig {
    let brokers = std::env::var("STAMPEDE_TEST_KAFKA")
        .expect("STAMPEDE_TEST_KAFKA is not set; `scripts/services up` starts a broker");
    config_of(brokers)
}

pub(crate) fn config_of(brokers: String) -> KafkaConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    KafkaConfig {
        brokers,
        topic_prefix: format!("t{process}-{nth}-{:x}.", rand::random::<u32>()),
        replication_factor: Some(1),
        client_id: "test".to_owned(),
        ..KafkaConfig::default()
    }
}

/// The directory's cursors, in memory.
#[derive(Default)]
pub(crate) struct Cursors(pub(crate) Mutex<BTreeMap<ShardRef, Published>>);

#[async_trait]
impl Directory for Cursors {
    async fn announce(&self, _node: &NodeRecord) -> Result<(), StorageError> {
        Ok(())
    }

    async fn withdraw(&self, _name: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn view(&self) -> Result<DirectoryView, StorageError> {
        Ok(DirectoryView::default())
    }

    async fn published(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Published)>, StorageError> {
        let cursors = self.0.lock().unwrap();
        Ok((shards.iter())
            .filter_map(|shard| Some((*shard, *cursors.get(shard)?)))
            .collect())
    }

    async fn set_published(&self, moved: &[(ShardRef, Published)]) -> Result<(), StorageError> {
        let mut cursors = self.0.lock().unwrap();
        for (shard, published) in moved {
            let known = cursors.entry(*shard).or_default();
            known.public = known.public.max(published.public);
            known.inbox = known.inbox.max(published.inbox);
        }
        Ok(())
    }
}

/// One shop: its journals, its cursors, its topics.
pub(crate) struct Shop {
    _dir: tempfile::TempDir,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) config: KafkaConfig,
    pub(crate) incarnations: Arc<Incarnations>,
}

impl Shop {
    /// With topics.
    pub(crate) async fn new() -> Self {
        let shop = Self::with(config()).await;
        topics::ensure(&shop.config, &TOPOLOGY).await.unwrap();
        shop
    }

    pub(crate) async fn with(config: KafkaConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), &TOPOLOGY, OpenMode::CreateIfMissing);
        let incarnations = TOPOLOGY.journals().map(|shard| (shard, 1, LIFE.to_owned()));
        Self {
            store: Arc::new(store.await.unwrap()),
            _dir: dir,
            cursors: Arc::default(),
            config,
            incarnations: Arc::new(Incarnations::new(incarnations)),
        }
    }

    pub(crate) fn feed(&self) -> KafkaFeed {
        self.feed_with(self.config.clone(), Faults::default())
    }

    pub(crate) fn feed_with(&self, config: KafkaConfig, faults: Faults) -> KafkaFeed {
        let setup = PublisherSetup {
            config,
            topology: TOPOLOGY,
            incarnations: self.incarnations.clone(),
            journal: self.store.clone(),
            directory: self.cursors.clone(),
            faults,
        };
        KafkaFeed::start(setup, &Arbiter::current())
    }

    pub(crate) fn consumer(
        &self,
        domain: Domain,
        targets: BTreeMap<ShardRef, Inbox>,
    ) -> KafkaConsumer {
        let setup = ConsumerSetup {
            config: self.config.clone(),
            domain,
            topology: TOPOLOGY,
            incarnations: self.incarnations.clone(),
            targets,
        };
        KafkaConsumer::start(setup, &Arbiter::current())
    }

    /// A consumer of the orders' inbox with a shard each, and what they are given.
    pub(crate) fn orders_consumer(&self) -> (KafkaConsumer, Noted) {
        let (targets, noted) = noting_shards(Domain::Orders, 64, Duration::ZERO);
        (self.consumer(Domain::Orders, targets), noted)
    }

    pub(crate) async fn pen(&self, shard: ShardRef) -> Pen {
        let head = self.store.claim(shard, "test", None).await.unwrap();
        Pen {
            store: self.store.clone(),
            shard,
            epoch: head.epoch,
            revision: head.revision,
            last: head.last_position,
            sent: head.sent,
        }
    }
}

/// Writes a shard's journal as its writer does.
pub(crate) struct Pen {
    store: Arc<SqliteStore>,
    pub(crate) shard: ShardRef,
    epoch: u64,
    revision: u64,
    pub(crate) last: u64,
    sent: BTreeMap<ShardRef, u64>,
}

impl Pen {
    /// Commits so many refusals for the orders of this shard.
    pub(crate) async fn write(&mut self, count: u64, order_shard: u16) -> Vec<Committed> {
        let mut committed = Vec::new();
        for _ in 0..count {
            self.last += 1;
            let event = refusal(self.last, order_shard);
            let stamps = routing::inbox_targets(&event, &TOPOLOGY)
                .into_iter()
                .map(|target| Stamp {
                    target,
                    prev: self.sent.insert(target, self.last).unwrap_or(0),
                })
                .collect();
            committed.push(Committed {
                position: self.last,
                record: NewRecord {
                    aggregate_id: 17,
                    seq: self.last,
                    time: Timestamp::from_millis(1_800_000_000_000),
                    event_type: proto::event_type(&event),
                    payload: proto::encode(&event),
                    trace: None,
                },
                event: Arc::new(event),
                stamps,
            });
        }
        let records = (committed.iter())
            .map(|committed| StampedRecord {
                position: committed.position,
                stamps: committed.stamps.clone(),
                payload: committed.record.clone(),
            })
            .collect();
        let batch = Batch {
            commits: vec![ShardCommit {
                shard: self.shard,
                epoch: self.epoch,
                revision: self.revision,
                last_position: self.last,
                last_id: 0,
                sent: self.sent.clone(),
                watermarks: BTreeMap::new(),
                records,
            }],
            ..Batch::default()
        };
        self.store.commit(&Arc::new(batch)).await.unwrap();
        self.revision += 1;
        committed
    }

    /// Commits and publishes.
    pub(crate) async fn publish(&mut self, feed: &KafkaFeed, count: u64, order_shard: u16) {
        let committed = self.write(count, order_shard).await;
        feed.publish(self.shard, committed);
    }
}

fn refusal(number: u64, order_shard: u16) -> Event {
    ProductEvent::StockRefused {
        order_id: OrderId::next(None, order_shard, Timestamp::from_millis(1_800_000_000_000)),
        product_id: ProductId::new(17).unwrap(),
        quantity: number,
        available: 0,
    }
    .into()
}

/// What shards were given, in order.
#[derive(Clone, Default)]
pub(crate) struct Noted(Arc<Mutex<Vec<(ShardRef, Deliver)>>>);

impl Noted {
    /// The records of a link.
    pub(crate) fn records(&self, target: ShardRef, source: ShardRef) -> Vec<Record> {
        let noted = self.0.lock().unwrap();
        (noted.iter())
            .filter(|(to, deliver)| *to == target && deliver.source == source)
            .flat_map(|(_, deliver)| deliver.records.clone())
            .collect()
    }

    pub(crate) fn positions(&self, target: ShardRef, source: ShardRef) -> Vec<u64> {
        (self.records(target, source).iter())
            .map(|record| record.position)
            .collect()
    }

    /// The largest position announced on a link.
    pub(crate) fn announced(&self, target: ShardRef, source: ShardRef) -> u64 {
        let noted = self.0.lock().unwrap();
        (noted.iter())
            .filter(|(to, deliver)| *to == target && deliver.source == source)
            .map(|(_, deliver)| deliver.announced)
            .max()
            .unwrap_or(0)
    }

    /// Waits until a link has brought every position up to this one, and returns what it has brought.
    pub(crate) async fn until(&self, target: ShardRef, source: ShardRef, last: u64) -> Vec<u64> {
        let has_all = || {
            let positions = self.positions(target, source);
            (1..=last).all(|position| positions.contains(&position))
        };
        eventually("every record is delivered", has_all).await;
        self.positions(target, source)
    }
}

/// A shard that notes what it is given, as slowly as is wanted.
struct Noting {
    shard: ShardRef,
    noted: Noted,
    pause: Duration,
    mailbox: usize,
}

impl Actor for Noting {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
    }
}

impl Handler<Deliver> for Noting {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
        std::thread::sleep(self.pause);
        self.noted.0.lock().unwrap().push((self.shard, deliver));
    }
}

/// Shards on an arbiter of their own. The logs are one.
pub(crate) fn noting_shards(
    domain: Domain,
    mailbox: usize,
    pause: Duration,
) -> (BTreeMap<ShardRef, Inbox>, Noted) {
    let noted = Noted::default();
    let arbiter = Arbiter::new();
    let count = if domain == Domain::Logs { 1 } else { SHARDS };
    let targets = (0..count)
        .map(|shard| {
            let shard = ShardRef { domain, shard };
            let noted = noted.clone();
            let address = Noting::start_in_arbiter(&arbiter.handle(), move |_| Noting {
                shard,
                noted,
                pause,
                mailbox,
            });
            (shard, address.recipient().into())
        })
        .collect();
    (targets, noted)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let held = tokio::time::timeout(SOON, waiting).await;
    assert!(held.is_ok(), "not within {SOON:?}: {what}");
}

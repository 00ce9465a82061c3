//! What a run is like: how large the shop is, who buys what, and which faults strike how often. All of it is drawn from
//! the seed; each run has some kinds of faults and not others, so that rare ones are not drowned by common ones.

use std::{collections::BTreeMap, time::Duration};

use domain::Topology;
use engine::{Limits, Policy, supervision::Exhausted};
use rand::{RngExt, rngs::StdRng};

use super::{clients::Wish, mutation::Mutation};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A node ends at once, between any two steps, and is started again later.
    Crash,
    /// A node stands still for seconds, is taken for dead, and wakes up.
    Pause,
    /// Another node claims a shard whose owner is well: two owners at once.
    SecondOwner,
    /// A shard is handed over in good order.
    HandOver,
    /// The actors of a node's shards are replaced because they stood still.
    Replaced,
    /// A transaction is rolled back.
    CommitFails,
    /// A transaction is written, and its writer is told that nobody knows.
    CommitUnknown,
    /// A transaction is written after its writer was told that nobody knows.
    CommitLate,
    /// The store does not answer for seconds.
    StoreAway,
    /// A question to the store is not answered.
    ReadFails,
    /// A question to the store is answered seconds later, as the store was when it arrived.
    ReadLate,
    /// The broker takes nothing for seconds.
    BrokerAway,
    /// A message is refused by the broker, or its acknowledgement is lost: the producer ends and begins anew.
    ProduceFails,
    /// A message is forgotten by the broker.
    Forgotten,
    /// A message is delivered twice.
    Doubled,
    /// A message is delivered seconds late.
    Late,
    /// A handler panics.
    Panic,
    /// A command panics again and again, until it is mended.
    Poison,
    /// An actor is gone without a word.
    Gone,
    /// A record cannot be decoded for a while, as by an older version of the program.
    Undecodable,
    /// A node's time of day is stepped.
    ClockStep,
    /// A caller repeats a request before it is answered.
    Impatience,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Crash,
        Self::Pause,
        Self::SecondOwner,
        Self::HandOver,
        Self::Replaced,
        Self::CommitFails,
        Self::CommitUnknown,
        Self::CommitLate,
        Self::StoreAway,
        Self::ReadFails,
        Self::ReadLate,
        Self::BrokerAway,
        Self::ProduceFails,
        Self::Forgotten,
        Self::Doubled,
        Self::Late,
        Self::Panic,
        Self::Poison,
        Self::Gone,
        Self::Undecodable,
        Self::ClockStep,
        Self::Impatience,
    ];

    /// What it is, in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "node crashes",
            Self::Pause => "node stands still",
            Self::SecondOwner => "second owner",
            Self::HandOver => "hand-over",
            Self::Replaced => "actors replaced",
            Self::CommitFails => "commit rolled back",
            Self::CommitUnknown => "commit of unknown outcome",
            Self::CommitLate => "commit lands late",
            Self::StoreAway => "store away",
            Self::ReadFails => "reading fails",
            Self::ReadLate => "reading takes seconds",
            Self::BrokerAway => "broker away",
            Self::ProduceFails => "producer fails",
            Self::Forgotten => "message forgotten",
            Self::Doubled => "message doubled",
            Self::Late => "message late",
            Self::Panic => "handler panics",
            Self::Poison => "poisonous command",
            Self::Gone => "actor gone",
            Self::Undecodable => "record undecodable",
            Self::ClockStep => "clock stepped",
            Self::Impatience => "request repeated early",
        }
    }

    /// Those that strike at moments of their own, not at something that happens.
    pub const TIMED: [Self; 9] = [
        Self::Crash,
        Self::Pause,
        Self::SecondOwner,
        Self::HandOver,
        Self::Replaced,
        Self::StoreAway,
        Self::BrokerAway,
        Self::Gone,
        Self::ClockStep,
    ];

    /// How probable it is each time it could strike, where it is drawn for a run.
    const fn rate(self) -> f64 {
        match self {
            Self::CommitFails | Self::CommitUnknown | Self::CommitLate => 0.01,
            Self::ReadFails | Self::ReadLate => 0.02,
            Self::ProduceFails => 0.01,
            Self::Forgotten | Self::Doubled | Self::Late => 0.05,
            Self::Panic => 0.01,
            Self::Poison => 0.002,
            Self::Undecodable => 0.002,
            Self::Impatience => 0.05,
            _ => 1.0,
        }
    }
}

/// What is asked for, beside the seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A rule that is broken.
    pub mutation: Option<Mutation>,
    /// Something that goes wrong at one certain step, and nowhere else.
    pub intervention: Option<Intervention>,
    /// Whether what happens is written down, to be read by people.
    pub trace: bool,
}

/// Something that goes wrong at one certain step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Every message between shards arrives twice.
    EveryMessageTwice,
    /// Every message that gives something back arrives twice.
    EveryUndoTwice,
    /// The decision of this number, counted from one, panics once.
    PanicOnce(u64),
    /// The decision of this number panics whenever it is tried, until operators retry what was set aside.
    FailsAt(u64),
    /// The node crashes after the transaction of this number, counted from one, was written and before anybody is told.
    CrashAfterWrite(u64),
}

/// A shop in which nothing happens but what is written here.
#[derive(Clone, Debug)]
pub struct Script {
    /// The stock of each product at first, and the currency of its price.
    pub products: Vec<(u64, &'static str)>,
    /// What is wanted, and when, in milliseconds.
    pub wishes: Vec<(u64, Wish)>,
}

/// What a run is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many shards each domain has.
    pub topology: Topology,
    /// How many nodes there are.
    pub nodes: usize,
    /// Whether a node commits for all its shards at once, as on SQLite, or for each domain.
    pub one_writer: bool,
    /// Whether records go through a broker, or through memory.
    pub has_broker: bool,
    /// Bounds of shards.
    pub limits: Limits,
    /// Entries of a transaction at most.
    pub batch_max: usize,
    /// How many customers there are.
    pub users: u64,
    /// The stock of each product at first.
    pub stocks: Vec<u64>,
    /// Orders to be placed.
    pub orders: usize,
    /// When the last of them is placed, in milliseconds.
    pub orders_until_ms: u64,
    /// How long products have to answer.
    pub deadline: Duration,
    /// The wait between two faults that strike at moments of their own, in milliseconds.
    pub fault_every_ms: u64,
    /// The kinds of faults of this run, and how probable each is.
    pub faults: BTreeMap<Fault, f64>,
    /// A rule that is broken.
    pub mutation: Option<Mutation>,
}

const POLICY: Policy = Policy {
    kind: "shard",
    mailbox_capacity: 1_024,
    restarts_max: 10,
    window: Duration::from_secs(10),
    backoff_min: Duration::from_millis(20),
    backoff_max: Duration::from_secs(1),
    on_exhaustion: Exhausted::ExitProcess,
};

impl Plan {
    /// That of a script: two shards of orders and of products, one node, and nothing goes wrong.
    #[must_use]
    pub fn scripted() -> Self {
        Self {
            topology: Topology {
                auth: 0,
                orders: 2,
                products: 2,
                notifications: 1,
            },
            nodes: 1,
            one_writer: false,
            has_broker: true,
            limits: Limits {
                turns_max: 100,
                aggregate_commands_max: 50,
                read_max: 10,
                load_max: 10,
                keys_max: 10,
                idle_max: Duration::from_secs(2),
                quiet: Duration::from_secs(1),
                policy: POLICY,
            },
            batch_max: 10,
            users: 2,
            stocks: Vec::new(),
            orders: 0,
            orders_until_ms: 150_000,
            deadline: Duration::from_secs(10),
            fault_every_ms: 1_000,
            faults: BTreeMap::new(),
            mutation: None,
        }
    }

    /// Draws one.
    #[must_use]
    pub fn draw(rng: &mut StdRng, mutation: Option<Mutation>) -> Self {
        let has_broker = rng.random_bool(0.7);
        let nodes = if has_broker {
            rng.random_range(1..=3)
        } else {
            1
        };
        let is_hot = rng.random_bool(0.3);
        let products: usize = if is_hot { 1 } else { rng.random_range(2..=12) };
        let orders = rng.random_range(150..=450);
        let faults = Fault::ALL.into_iter().filter(|fault| {
            let is_possible = has_broker
                || !matches!(
                    fault,
                    Fault::SecondOwner | Fault::HandOver | Fault::BrokerAway | Fault::ProduceFails
                );
            is_possible && rng.random_bool(0.5)
        });
        let faults: Vec<Fault> = faults.collect();
        let faults = faults
            .into_iter()
            .map(|fault| (fault, fault.rate() * rng.random_range(0.3..2.0)));
        let faults = faults.collect();
        Self {
            topology: Topology {
                auth: 0,
                orders: rng.random_range(1..=3),
                products: rng.random_range(1..=3),
                notifications: rng.random_range(1..=2),
            },
            nodes,
            one_writer: !has_broker || rng.random_bool(0.4),
            has_broker,
            limits: Limits {
                turns_max: rng.random_range(16..=200),
                aggregate_commands_max: rng.random_range(4..=64),
                read_max: rng.random_range(2..=16),
                load_max: rng.random_range(1..=16),
                keys_max: rng.random_range(1..=16),
                idle_max: Duration::from_secs(rng.random_range(1..=20)),
                quiet: Duration::from_secs(1),
                policy: POLICY,
            },
            batch_max: rng.random_range(1..=64),
            users: rng.random_range(1..=10),
            stocks: (0..products).map(|_| rng.random_range(0..=120)).collect(),
            orders,
            orders_until_ms: rng.random_range(5_000..=60_000),
            deadline: Duration::from_millis(rng.random_range(100..=20_000)),
            fault_every_ms: rng.random_range(300..=5_000),
            faults,
            mutation,
        }
    }
}

//! The way of an order through a deployment.
//!
//! Gateway; turn of the order's shard and its commit (accepted); message to the product's shard, its turn and commit;
//! message back, turn and commit (confirmed); message to the notifications, turn and commit. A turn runs on the one thread
//! of its shard's node that has that shard; each node has one writer for each domain, whose transactions take a core of
//! the domain's database for as long as their rows take, and the time that it takes to make them durable.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::stations::{Cores, Micros, Writer};

/// Processor time of a gateway for an order; see `docs/scaling.md` for this and the others.
const GATEWAY: Micros = 62.0;
/// Of a node for a turn, of which an order has four.
const TURN: Micros = 215.0 / 4.0;
/// Of a node's one thread for a turn of a shard; the rest of a turn may run on any core.
const TURN_OF_SHARD: Micros = 4.0;
/// Of PostgreSQL for the rows of a turn.
const ROWS: Micros = 96.0 / 4.0;
/// Of a broker for a message, of which an order has six.
const MESSAGE: Micros = 125.0 / 6.0;
/// Making a transaction durable, with a standby that is waited for, and the way there and back.
const DURABLE: Micros = 1_000.0;
/// Entries of one transaction at most.
const ENTRIES_MAX: usize = 1_000;
/// For how long a producer gathers messages at most.
const LINGER: Micros = 2_000.0;
/// The way to a broker, to its replicas, and to the consumer.
const HOP: Micros = 1_500.0;
/// For how long orders come.
const MEASURED: Micros = 400_000.0;
/// For how long they have come before the measurement begins.
const WARM_UP: Micros = 200_000.0;
const SEED: u64 = 1;

/// The steps of an order that are turns, with the domain that each is of.
const DOMAINS: [usize; 4] = [0, 1, 0, 2];
/// Messages that are published at each of them: all public ones, the request to the product, and its answer.
const MESSAGES: [f64; 4] = [2.0, 2.0, 1.0, 1.0];
const ACCEPTED: usize = 0;
const CONFIRMED: usize = 2;
/// The step whose shard is that of the product.
const RESERVED: usize = 1;

/// Machines, each with its number and its cores.
pub(crate) type Machines = (usize, usize);

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployment {
    pub(crate) name: &'static str,
    /// Orders a second.
    pub(crate) rate: u64,
    /// Of each domain.
    pub(crate) shards: usize,
    pub(crate) gateways: Machines,
    pub(crate) nodes: Machines,
    /// Domains are dealt out to them; where there are more of them than domains, so are the shards of a domain.
    pub(crate) databases: Machines,
    pub(crate) kafka_cores: usize,
    /// All orders are for one SKU.
    pub(crate) is_hot: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) confirmed_per_second: f64,
    /// p50 and p99.
    pub(crate) accepted_ms: (f64, f64),
    pub(crate) confirmed_ms: (f64, f64),
    pub(crate) entries_per_transaction: f64,
    pub(crate) busiest: (&'static str, f64),
}

struct Order {
    came: Micros,
    /// Of the user, of the product, and of the notification.
    shards: [usize; 3],
}

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// A turn of this step of this order begins.
    Turn(usize, usize),
    /// It is ready to be committed.
    Ready(usize, usize),
    /// A writer has committed these entries, each an order at a step.
    Committed(usize, Vec<usize>),
    /// A producer sends what it has gathered.
    Published(usize, usize),
}

struct World<'d> {
    deployment: &'d Deployment,
    random: SmallRng,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: Vec<Option<Event>>,
    orders: Vec<Order>,
    gateways: Cores,
    nodes: Vec<Cores>,
    /// The threads of shards, by node and thread.
    threads: Vec<Cores>,
    writers: Vec<Writer>,
    databases: Vec<Cores>,
    kafka: Cores,
    accepted: Vec<Micros>,
    confirmed: Vec<Micros>,
    /// How many were confirmed since the measurement began, whenever they came.
    confirmed_since: u64,
}

/// Lets orders come for a while.
pub(crate) fn run(deployment: &Deployment) -> Outcome {
    let mut world = World::new(deployment);
    let between = 1e6 / deployment.rate as f64;
    let mut now = 0.0;
    while now < WARM_UP + MEASURED {
        // Poisson arrivals.
        let uniform: f64 = world.random.random();
        now -= between * (1.0 - uniform).ln();
        world.arrive(now);
    }
    // Orders that are not confirmed by then do not count.
    let end = WARM_UP + MEASURED;
    while let Some(Reverse((at, index))) = world.queue.pop() {
        let at = at as Micros / 1e3;
        if at > end {
            break;
        }
        let slot = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(event) = world.events.get_mut(slot).and_then(Option::take) {
            world.handle(at, event);
        }
    }
    world.outcome(end)
}

impl<'d> World<'d> {
    fn new(deployment: &'d Deployment) -> Self {
        let (nodes, cores) = deployment.nodes;
        let (databases, database_cores) = deployment.databases;
        Self {
            deployment,
            random: SmallRng::seed_from_u64(SEED),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            orders: Vec::new(),
            gateways: Cores::new(deployment.gateways.0 * deployment.gateways.1),
            nodes: vec![Cores::new(cores); nodes],
            threads: vec![Cores::new(1); nodes * cores],
            writers: vec![Writer::default(); nodes * 3 * databases.div_ceil(3)],
            databases: vec![Cores::new(database_cores); databases],
            kafka: Cores::new(deployment.kafka_cores),
            accepted: Vec::new(),
            confirmed: Vec::new(),
            confirmed_since: 0,
        }
    }

    fn at(&mut self, time: Micros, event: Event) {
        let index = self.events.len() as u64;
        self.events.push(Some(event));
        // Whole nanoseconds can be ordered.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and far below 2^64"
        )]
        let time = (time * 1e3) as u64;
        self.queue.push(Reverse((time, index)));
    }

    fn arrive(&mut self, now: Micros) {
        let shards = self.deployment.shards;
        let mut any = || self.random.random_range(0..shards);
        let (order, product, notification) = (any(), any(), any());
        let product = if self.deployment.is_hot { 0 } else { product };
        self.orders.push(Order {
            came: now,
            shards: [order, product, notification],
        });
        let served = self.gateways.serve(now, GATEWAY);
        let order = self.orders.len() - 1;
        self.at(served, Event::Turn(order, 0));
    }

    fn shard(&self, order: usize, step: usize) -> usize {
        let shards = &self.orders[order].shards;
        match step {
            RESERVED => shards[1],
            3 => shards[2],
            _ => shards[0],
        }
    }

    fn node(&self, order: usize, step: usize) -> usize {
        self.shard(order, step) % self.nodes.len()
    }

    /// The writer of a node, a domain and, where a domain has several databases, one of those.
    fn writer(&self, order: usize, step: usize) -> usize {
        let of_domain = self.databases.len().div_ceil(3);
        let part = self.shard(order, step) / self.nodes.len() % of_domain;
        (self.node(order, step) * 3 + DOMAINS[step]) * of_domain + part
    }

    fn database(&self, writer: usize) -> usize {
        let of_domain = self.databases.len().div_ceil(3);
        let (domain, part) = (writer / of_domain % 3, writer % of_domain);
        (domain * of_domain + part) % self.databases.len()
    }

    fn handle(&mut self, now: Micros, event: Event) {
        match event {
            Event::Turn(order, step) => {
                let node = self.node(order, step);
                let cores = self.deployment.nodes.1;
                let thread = node * cores + self.shard(order, step) / self.nodes.len() % cores;
                let decided = self.threads[thread].serve(now, TURN_OF_SHARD);
                let done = self.nodes[node].serve(decided, TURN);
                self.at(done, Event::Ready(order, step));
            }
            Event::Ready(order, step) => {
                let writer = self.writer(order, step);
                self.writers[writer].gathered.push(order * 4 + step);
                self.begin(now, writer);
            }
            Event::Committed(writer, entries) => {
                self.writers[writer].is_busy = false;
                self.begin(now, writer);
                for entry in entries {
                    self.committed(now, entry / 4, entry % 4);
                }
            }
            Event::Published(order, step) => self.publish(now, order, step),
        }
    }

    fn begin(&mut self, now: Micros, writer: usize) {
        if let Some(entries) = self.writers[writer].begin(ENTRIES_MAX) {
            let database = self.database(writer);
            let rows = ROWS * entries.len() as f64;
            let written = self.databases[database].serve(now, rows);
            self.at(written + DURABLE, Event::Committed(writer, entries));
        }
    }

    fn committed(&mut self, now: Micros, order: usize, step: usize) {
        let came = self.orders[order].came;
        self.confirmed_since += u64::from(step == CONFIRMED && now >= WARM_UP);
        if came >= WARM_UP {
            match step {
                ACCEPTED => self.accepted.push(now - came),
                CONFIRMED => self.confirmed.push(now - came),
                _ => {}
            }
        }
        let gathered = self.random.random_range(0.0..LINGER);
        self.at(now + gathered, Event::Published(order, step));
    }

    fn publish(&mut self, now: Micros, order: usize, step: usize) {
        let published = self.kafka.serve(now, MESSAGE * MESSAGES[step]);
        if step + 1 < DOMAINS.len() {
            self.at(published + HOP, Event::Turn(order, step + 1));
        }
    }

    fn outcome(mut self, end: Micros) -> Outcome {
        let most = |all: &[Cores]| {
            let shares = all.iter().map(|cores| cores.utilization(end));
            shares.fold(0.0, f64::max)
        };
        let used = [
            ("gateways", self.gateways.utilization(end)),
            ("a node", most(&self.nodes)),
            ("a shard's thread", most(&self.threads)),
            ("a database", most(&self.databases)),
            ("Kafka", self.kafka.utilization(end)),
        ];
        let busiest = used
            .into_iter()
            .max_by(|one, other| one.1.total_cmp(&other.1));
        let transactions: u64 = self.writers.iter().map(|writer| writer.transactions).sum();
        let entries: u64 = self.writers.iter().map(|writer| writer.entries).sum();
        Outcome {
            confirmed_per_second: self.confirmed_since as f64 / (MEASURED / 1e6),
            accepted_ms: quantiles_ms(&mut self.accepted),
            confirmed_ms: quantiles_ms(&mut self.confirmed),
            entries_per_transaction: entries as f64 / transactions.max(1) as f64,
            busiest: busiest.unwrap_or(("nothing", 0.0)),
        }
    }
}

/// p50 and p99.
fn quantiles_ms(times: &mut [Micros]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |hundredths: usize| {
        let index = times.len() * hundredths / 100;
        times.get(index).map_or(f64::NAN, |time| time / 1e3)
    };
    (at(50), at(99))
}

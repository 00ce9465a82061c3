//! The load: so many connections, each with one order in flight, for so long.
//!
//! In a *closed* loop a connection sends its next order when it has the answer to the last one. In an *open* loop
//! orders come at a fixed rate, whatever becomes of those before; a thread of its own says when, because the timers of
//! the runtime know whole milliseconds only. There the latency counts from the moment at which the order should have
//! been sent: a server that stands still for a second delays all orders of that second, and every one of them tells.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use crate::connection::{Awaited, Connection};

/// Latencies are kept in microseconds, to three digits, up to a minute.
const LATENCY_US_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;
/// A run is given up when this much goes wrong on one connection, one time after the other.
const FAILURES_MAX: u32 = 20;
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last answers may take after the end of a measurement.
const LAST_ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How long the thread of an open loop sleeps at least. Orders that are due meanwhile are sent together.
const PACE_SLEEP_MIN: Duration = Duration::from_micros(200);

/// When orders are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// When the order before is answered.
    Closed,
    /// So many a second over all connections.
    Open(f64),
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// Access tokens, shared out among the connections.
    pub(crate) tokens: Vec<String>,
    /// What every order chooses one of.
    pub(crate) products: Arc<[u64]>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) pace: Pace,
    pub(crate) awaited: Awaited,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What was seen while it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub(crate) failures: u64,
    /// What was hoped for.
    awaited: Awaited,
    /// From request to answer, in microseconds, of the orders that were answered as was hoped.
    pub(crate) latency_us: Histogram<u64>,
    /// For how long.
    pub(crate) measured: Duration,
}

impl Tally {
    fn new(plan: &Plan) -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?;
        Ok(Self {
            statuses: BTreeMap::new(),
            failures: 0,
            awaited: plan.awaited,
            latency_us,
            measured: plan.measured,
        })
    }

    /// Orders that were answered as was hoped: 201, or 202 where nobody waits for more.
    pub(crate) fn successes(&self) -> u64 {
        let status = self.awaited.status();
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    fn record(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if status == self.awaited.status() {
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
            self.latency_us.saturating_record(latency_us.max(1));
        }
    }

    fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.failures += other.failures;
        self.latency_us.add(&other.latency_us)?;
        Ok(())
    }
}

/// The time in which answers count.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

/// Drives the load on its own threads and waits for it.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Tally> {
    let from = Instant::now() + plan.warm_up;
    let window = Window {
        from,
        to: from + plan.measured,
    };
    let mut total = Tally::new(plan)?;
    let parts: Vec<anyhow::Result<Tally>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|part| scope.spawn(move || run_part(plan, part, window)))
            .collect();
        threads
            .into_iter()
            .map(|part| {
                part.join()
                    .unwrap_or_else(|_| anyhow::bail!("a driver panicked"))
            })
            .collect()
    });
    for part in parts {
        total.add(&part?)?;
    }
    Ok(total)
}

/// Every connection whose number is `part` modulo the number of threads, on one thread.
fn run_part(plan: &Plan, part: usize, window: Window) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tally = Rc::new(RefCell::new(Tally::new(plan)?));
    let local = LocalSet::new();
    let mut turns = Vec::new();
    let workers: Vec<_> = (part..plan.connections)
        .step_by(plan.threads)
        .map(|number| {
            let buyer = Buyer {
                address: plan.address,
                token: plan.tokens[number % plan.tokens.len()].clone(),
                awaited: plan.awaited,
                products: Arc::clone(&plan.products),
                random: SmallRng::seed_from_u64(u64::try_from(number).unwrap_or(0)),
                turns: match plan.pace {
                    Pace::Closed => None,
                    Pace::Open(_) => {
                        let (sender, receiver) = unbounded_channel();
                        turns.push(sender);
                        Some(receiver)
                    }
                },
                window,
                tally: Rc::clone(&tally),
            };
            local.spawn_local(buyer.order_until_the_end())
        })
        .collect();
    if let Pace::Open(rate) = plan.pace {
        // Every thread of the driver keeps its share of the rate.
        let interval = Duration::from_secs_f64(plan.threads as f64 / rate);
        thread::spawn(move || give_turns(&turns, interval, window.to));
    }
    local.block_on(&runtime, async {
        let time = window.to.saturating_duration_since(Instant::now()) + LAST_ANSWER_TIME_MAX;
        tokio::time::timeout(time, async {
            for worker in workers {
                worker.await??;
            }
            anyhow::Ok(())
        })
        .await
        .context("an answer did not come")?
    })?;
    let tally = tally.borrow().clone();
    Ok(tally)
}

/// Tells one connection after the other when it should send an order, until the end, and then hangs up.
fn give_turns(connections: &[UnboundedSender<Instant>], interval: Duration, end: Instant) {
    let mut due = Instant::now();
    for connection in connections.iter().cycle() {
        if due >= end {
            return;
        }
        while Instant::now() < due {
            let left = due.saturating_duration_since(Instant::now());
            thread::sleep(left.max(PACE_SLEEP_MIN));
        }
        // A connection that has given up hears nothing.
        let _ = connection.send(due);
        due += interval;
    }
}

/// One connection and who orders over it.
struct Buyer {
    address: SocketAddr,
    token: String,
    awaited: Awaited,
    products: Arc<[u64]>,
    random: SmallRng,
    /// When to send orders, in an open loop.
    turns: Option<UnboundedReceiver<Instant>>,
    window: Window,
    tally: Rc<RefCell<Tally>>,
}

impl Buyer {
    async fn order_until_the_end(mut self) -> anyhow::Result<()> {
        let mut failures = 0;
        while Instant::now() < self.window.to {
            let Err(error) = self.order_over_one_connection(&mut failures).await else {
                return Ok(());
            };
            failures += 1;
            self.tally.borrow_mut().failures += 1;
            if failures >= FAILURES_MAX {
                return Err(error).context(format!("ordering from {} keeps failing", self.address));
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
        Ok(())
    }

    async fn order_over_one_connection(&mut self, failures: &mut u32) -> io::Result<()> {
        let mut connection = Connection::open(self.address, &self.token, self.awaited).await?;
        loop {
            let product_id = self.products[self.random.random_range(0..self.products.len())];
            let Some(started) = self.turn().await else {
                return Ok(());
            };
            if started >= self.window.to {
                return Ok(());
            }
            let status = connection.order(product_id).await?;
            *failures = 0;
            let answered = Instant::now();
            if (self.window.from..self.window.to).contains(&answered) {
                self.tally.borrow_mut().record(status, answered - started);
            }
        }
    }
    /// When the next order is, or was, to be sent; nothing if there is none.
    async fn turn(&mut self) -> Option<Instant> {
        match &mut self.turns {
            Some(turns) => turns.recv().await,
            None => Some(Instant::now()),
        }
    }
}

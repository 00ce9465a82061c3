//! Starts the threads that send, looks after tokens and progress meanwhile, and waits for the last answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use tokio::time::sleep;

use super::{
    books::Books,
    lane::{self, Part},
    market::Market,
    measure::{Measure, Outcome, Window},
    plan::Plan,
    progress::Progress,
    requests::Requests,
    scenario::{Draw, Wanted},
};
use crate::http_client::Place;

/// Between the start of the threads and the first request.
const GET_READY: Duration = Duration::from_millis(100);
/// How often progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether tokens have to be renewed.
const TOKENS_LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// What every thread needs to know.
pub(super) struct Load {
    pub(super) plan: Plan,
    pub(super) draw: Draw,
    pub(super) place: Place,
    pub(super) requests: Requests,
    pub(super) market: Market,
    pub(super) begin: Instant,
    pub(super) window: Window,
    pub(super) gauge: Gauge,
}

/// How many answers there are so far, by outcome.
#[derive(Debug, Default)]
pub(super) struct Gauge([AtomicU64; Outcome::ALL.len()]);

impl Gauge {
    /// One more.
    pub(super) fn answered(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }

    /// All.
    pub(super) fn total(&self) -> u64 {
        let counts = self.0.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Load {
    /// The load of a run that begins in a moment.
    pub(super) fn new(plan: Plan, place: Place, market: Market) -> Self {
        let begin = Instant::now() + GET_READY;
        let from = begin + plan.warm_up;
        Self {
            draw: plan.draw(),
            requests: Requests::new(&place, &plan, &market.run),
            place,
            market,
            begin,
            window: Window {
                from,
                to: from + plan.duration,
            },
            gauge: Gauge::default(),
            plan,
        }
    }

    /// The token that a buyer shows now.
    pub(super) fn token(&self, buyer: u32) -> Arc<str> {
        self.market.buyers[buyer as usize].access_token()
    }

    /// The id of the product that is wanted.
    pub(super) fn product(&self, wanted: Wanted) -> u64 {
        self.market.products[wanted.product as usize]
    }
}

/// Runs it all.
pub(super) async fn drive(load: &Arc<Load>, progress: &Progress) -> Result<(Measure, Books)> {
    let threads = (0..load.plan.threads).map(|part| {
        let load = Arc::clone(load);
        let thread = tokio::task::spawn_blocking(move || lane::run(&load, part));
        async { thread.await.context("a thread of the crowd panicked")? }
    });
    let parts: Vec<Part> = tokio::select! {
        parts = try_join_all(threads) => parts?,
        () = stay_logged_in(&load.market) => Vec::new(),
        () = show(load, progress) => Vec::new(),
    };
    let mut measure = Measure::new(load.window)?;
    let mut books = Books::default();
    for part in parts {
        measure.add(part.measure)?;
        books.add(part.books);
    }
    Ok((measure, books))
}

/// Never ends by itself.
async fn stay_logged_in(market: &Market) {
    loop {
        sleep(TOKENS_LOOKED_AT_EVERY).await;
        market.stay_logged_in().await;
    }
}

/// Never ends by itself.
async fn show(load: &Load, progress: &Progress) {
    loop {
        progress.running(load);
        sleep(SHOWN_EVERY).await;
    }
}

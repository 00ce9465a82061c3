//! What one thread does: workers, each with a connection, take turns and write down what comes of them.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep},
};

use super::{
    books::{Answered, Books, Cancelled},
    drive::Load,
    exchange::{Line, Told},
    measure::{Measure, Operation, Outcome, Times},
    scenario::{Act, Wanted},
    turns::{Due, Turns},
};

/// How long a worker of a closed loop pauses after something went wrong.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How long it pauses when it was put off without a `Retry-After`, and at most.
const PAUSE_DEFAULT: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Confirmed orders that are remembered, to be read and cancelled.
const RECENT_MAX: usize = 1_000;

/// What came of one thread.
pub(super) struct Part {
    pub(super) measure: Measure,
    pub(super) books: Books,
}

struct Lane {
    load: Arc<Load>,
    turns: Turns,
    measure: RefCell<Measure>,
    books: RefCell<Books>,
    /// Where confirmed orders are in the books.
    recent: RefCell<VecDeque<usize>>,
}

/// Does the work of the thread `part` until the last answer.
pub(super) fn run(load: &Arc<Load>, part: u32) -> Result<Part> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let plan = &load.plan;
    let _entered = runtime.enter();
    let lane = Rc::new(Lane {
        load: Arc::clone(load),
        turns: Turns::new(plan, part, load.begin, load.window.to),
        measure: RefCell::new(Measure::new(load.window)?),
        books: RefCell::default(),
        recent: RefCell::default(),
    });
    let threads = usize::try_from(plan.threads)?;
    let local = LocalSet::new();
    let workers: Vec<_> = (part..plan.connections)
        .step_by(threads)
        .map(|_| local.spawn_local(Rc::clone(&lane).work()))
        .collect();
    runtime.block_on(local.run_until(async {
        for worker in workers {
            worker.await?;
        }
        anyhow::Ok(())
    }))?;
    let mut measure = lane.measure.borrow().clone();
    measure.unsent = lane.turns.unsent();
    Ok(Part {
        measure,
        books: lane.books.take(),
    })
}

impl Lane {
    async fn work(self: Rc<Self>) {
        let mut line = Line::default();
        loop {
            // Before the turn, so that connecting is not measured; where it fails, the turn tells.
            let _ = line.ensure_open(&self.load.place).await;
            let Some(due) = self.turns.next().await else {
                return;
            };
            let turn = self.load.draw.turn(due.number);
            let wanted = turn.wanted;
            match turn.act {
                Act::Order => self.order(&mut line, due, wanted).await,
                Act::Cancel => self.cancel(&mut line, due, wanted).await,
                Act::Read => self.read(&mut line, due, wanted).await,
                Act::List => {
                    self.get(&mut line, due, Operation::List, "/v1/products", None)
                        .await;
                }
                Act::Product => {
                    let id = self.load.product(wanted);
                    let path = format!("/v1/products/{id}");
                    self.get(&mut line, due, Operation::Product, &path, None)
                        .await;
                }
                Act::History => {
                    let buyer = Some(wanted.buyer);
                    self.get(&mut line, due, Operation::History, "/v1/orders", buyer)
                        .await;
                }
            }
        }
    }

    /// Places an order. In a closed loop, again after it was put off.
    async fn order(&self, line: &mut Line, due: Due, wanted: Wanted) {
        let load = &self.load;
        let mut at = due.at;
        let mut was_in_doubt = false;
        loop {
            let token = load.token(wanted.buyer);
            let (id, pieces) = (load.product(wanted), wanted.pieces);
            load.requests
                .order(&mut line.buffers, &token, due.number, id, pieces);
            let (times, told) = line.exchange(&load.place, at, true).await;
            let outcome = self.record(Operation::Order, times, &told, Told::outcome_of_order);
            if let Some(place) = self.write_down(wanted, outcome, &told) {
                if outcome == Outcome::Confirmed {
                    self.remember(place);
                }
                return;
            }
            let is_in_doubt = match (&told, outcome) {
                (Err(why), _) => !why.starts_with("no connection"),
                (Ok(told), Outcome::Refused | Outcome::Failed) => told.status >= 500,
                _ => false,
            };
            was_in_doubt |= is_in_doubt;
            let goes_on = self.turns.is_closed() && outcome == Outcome::Refused;
            // With its key it is the same order when it is sent again.
            if was_in_doubt && (!goes_on || !load.plan.has_keys) {
                self.books.borrow_mut().in_doubt(wanted);
                was_in_doubt = false;
            }
            self.pause_after(outcome, &told).await;
            if !goes_on {
                return;
            }
            at = std::time::Instant::now();
            if at >= self.turns.end() {
                if was_in_doubt {
                    self.books.borrow_mut().in_doubt(wanted);
                }
                return;
            }
        }
    }

    /// Writes an order with an id into the books; returns where.
    fn write_down(
        &self,
        wanted: Wanted,
        outcome: Outcome,
        told: &Result<Told, String>,
    ) -> Option<usize> {
        let id = told.as_ref().ok()?.order_id?;
        let answer = match outcome {
            Outcome::Confirmed => Answered::Confirmed,
            Outcome::Accepted => Answered::Accepted,
            _ => Answered::Refused,
        };
        Some(self.books.borrow_mut().told(id, wanted, answer))
    }

    fn remember(&self, place: usize) {
        let mut recent = self.recent.borrow_mut();
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(place);
    }

    /// Calls off the oldest of the orders that are remembered; orders while there is none.
    async fn cancel(&self, line: &mut Line, due: Due, wanted: Wanted) {
        let place = self.recent.borrow_mut().pop_front();
        let Some(place) = place else {
            return self.order(line, due, wanted).await;
        };
        let order = self.books.borrow().told[place];
        let path = format!("/v1/orders/{}/cancel", order.id);
        let token = self.load.token(order.wanted.buyer);
        let requests = &self.load.requests;
        requests.plain(&mut line.buffers, "POST", &path, &token);
        let (times, told) = line.exchange(&self.load.place, due.at, false).await;
        let outcome = self.record(Operation::Cancel, times, &told, Told::outcome);
        let how = match outcome {
            Outcome::Done => Cancelled::Yes,
            _ => Cancelled::InDoubt,
        };
        self.books.borrow_mut().cancelled(place, how);
        self.pause_after(outcome, &told).await;
    }

    /// Reads the latest of the orders that are remembered; orders while there is none.
    async fn read(&self, line: &mut Line, due: Due, wanted: Wanted) {
        let place = self.recent.borrow().back().copied();
        let Some(place) = place else {
            return self.order(line, due, wanted).await;
        };
        let order = self.books.borrow().told[place];
        let path = format!("/v1/orders/{}", order.id);
        let buyer = Some(order.wanted.buyer);
        self.get(line, due, Operation::Read, &path, buyer).await;
    }

    async fn get(
        &self,
        line: &mut Line,
        due: Due,
        operation: Operation,
        path: &str,
        buyer: Option<u32>,
    ) {
        let token = buyer.map(|buyer| self.load.token(buyer));
        let token = token.as_deref().unwrap_or("");
        let requests = &self.load.requests;
        requests.plain(&mut line.buffers, "GET", path, token);
        let (times, told) = line.exchange(&self.load.place, due.at, false).await;
        let outcome = self.record(operation, times, &told, Told::outcome);
        self.pause_after(outcome, &told).await;
    }

    fn record(
        &self,
        operation: Operation,
        times: Times,
        told: &Result<Told, String>,
        outcome_of: impl Fn(&Told) -> Outcome,
    ) -> Outcome {
        let outcome = told.as_ref().map_or(Outcome::Failed, outcome_of);
        let mut measure = self.measure.borrow_mut();
        measure.record(operation, outcome, times);
        if outcome == Outcome::Failed {
            let why = told.as_ref().map_or_else(Clone::clone, Told::error);
            measure.failed(format!("{}: {why}", operation.name()));
        }
        self.load.gauge.answered(outcome);
        outcome
    }

    /// Nobody who is put off, or not served, asks again at once; an open loop does not care.
    async fn pause_after(&self, outcome: Outcome, told: &Result<Told, String>) {
        if !self.turns.is_closed() {
            return;
        }
        let pause = match outcome {
            Outcome::Refused => {
                let asked = told.as_ref().ok().and_then(|told| told.retry_after);
                asked.unwrap_or(PAUSE_DEFAULT).min(PAUSE_MAX)
            }
            Outcome::Failed => PAUSE_AFTER_FAILURE,
            _ => return,
        };
        let end = Instant::from_std(self.turns.end());
        sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
    }
}

#[cfg(test)]
mod tests;

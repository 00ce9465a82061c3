//! A crowd that orders through everything that goes wrong: each order is repeated with its key until it is answered.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    api::{Api, Request},
    ledger::{Ledger, Outcome},
    market::{Market, Wanted},
    timeline::Timeline,
};

/// Orders in flight at most.
const WORKERS: usize = 32;
/// How long a worker waits before it tries again an order that was not answered.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest that the crowd goes on after the last order was due.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often pieces are put into the stock of the scarce product while it sells out.
const RESTOCKINGS: u32 = 5;
/// How many at a time.
const RESTOCKED: u64 = 5;

/// What everybody writes into.
pub(super) struct Books {
    pub(super) ledger: Mutex<Ledger>,
    pub(super) timeline: Mutex<Timeline>,
}

/// Locks, also after somebody panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Crowd {
    market: Arc<Market>,
    books: Arc<Books>,
    orders: usize,
    begun: Instant,
    length: Duration,
    next: AtomicUsize,
}

/// Places so many orders over this time, and brings each to its answer.
pub(super) async fn rush(market: Arc<Market>, books: Arc<Books>, orders: usize, length: Duration) {
    let crowd = Arc::new(Crowd {
        market,
        books,
        orders,
        begun: Instant::now(),
        length,
        next: AtomicUsize::new(0),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..WORKERS.min(orders) {
        tasks.spawn(Arc::clone(&crowd).work());
    }
    tasks.spawn(Arc::clone(&crowd).restock());
    while tasks.join_next().await.is_some() {}
}

impl Crowd {
    async fn work(self: Arc<Self>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.orders {
                return;
            }
            let part = number as f64 / self.orders as f64;
            sleep_until(self.begun + self.length.mul_f64(part)).await;
            self.order(&self.market.wanted(number)).await;
        }
    }

    fn is_late(&self) -> bool {
        self.begun.elapsed() > self.length + PATIENCE
    }

    async fn order(&self, wanted: &Wanted) {
        let number = wanted.number;
        let Some(outcome) = self.place(wanted).await else {
            lock(&self.books.ledger).unanswered.push(number);
            return;
        };
        if wanted.is_repeated {
            self.place(wanted).await;
        }
        if wanted.is_cancelled && outcome == Outcome::Confirmed {
            self.cancel(wanted).await;
        }
    }

    /// Asks until there is an answer; `None` if there is none in time.
    async fn place(&self, wanted: &Wanted) -> Option<Outcome> {
        let buyer = &self.market.buyers[wanted.buyer];
        let lines = wanted.lines.iter();
        let lines: Vec<Value> = lines
            .map(|(product_id, quantity)| json!({"product_id": product_id, "quantity": quantity}))
            .collect();
        let body = json!({"lines": lines});
        let key = self.market.key(wanted.number);
        let headers = [("Idempotency-Key", key.as_str()), ("Prefer", wanted.prefer)];
        let request = Request {
            headers: &headers,
            ..Request::post("/v1/orders", &body)
        };
        while !self.is_late() {
            if let Some(outcome) = self.ask(buyer, &request, wanted.number).await {
                return Some(outcome);
            }
            sleep(RETRY_PAUSE).await;
        }
        None
    }

    async fn ask(&self, buyer: &Api, request: &Request<'_>, number: usize) -> Option<Outcome> {
        let sent = Instant::now();
        let Ok(answer) = buyer.send(request).await else {
            lock(&self.books.ledger).unanswered(number);
            return None;
        };
        let outcome = lock(&self.books.ledger).record(number, &answer);
        if outcome == Some(Outcome::Confirmed) {
            lock(&self.books.timeline).confirmed(sent, Instant::now());
        }
        if answer.status == 401 {
            buyer.log_in_again().await;
        }
        outcome
    }

    async fn cancel(&self, wanted: &Wanted) {
        let told = lock(&self.books.ledger).told.get(&wanted.number).cloned();
        let Some(id) = told.and_then(|told| told.id) else {
            return;
        };
        let path = format!("/v1/orders/{id}/cancel");
        let request = Request {
            method: Method::POST,
            ..Request::get(&path)
        };
        let answer = self.market.buyers[wanted.buyer]
            .insist(&request, PATIENCE)
            .await;
        let mut ledger = lock(&self.books.ledger);
        match answer {
            Ok(answer) if answer.status == 200 => {
                ledger.count("cancelled");
                ledger.cancelled(wanted.number);
            }
            Ok(answer) => {
                ledger.contradicted(format!("cancelling order {id}: {}", answer.told()));
            }
            Err(error) => ledger.contradicted(format!("cancelling order {id}: {error:#}")),
        }
    }

    /// Puts some pieces of the scarce product back on the shelf now and then, each time once.
    async fn restock(self: Arc<Self>) {
        let product = self.market.hot();
        let path = format!("/v1/products/{}/stock", product.id);
        let body = json!({"delta": RESTOCKED, "reason": "chaos"});
        for number in 0..RESTOCKINGS {
            sleep_until(self.begun + self.length * (number + 1) / (RESTOCKINGS + 1)).await;
            let key = format!("chaos-{}-stock-{number}", self.market.run);
            let request = Request {
                headers: &[("Idempotency-Key", &key)],
                ..Request::post(&path, &body)
            };
            let answer = self.market.admin.insist(&request, PATIENCE).await;
            let mut ledger = lock(&self.books.ledger);
            match answer {
                Ok(answer) if answer.status == 200 => ledger.restocked(product.id, RESTOCKED),
                Ok(answer) => ledger.contradicted(format!("restocking: {}", answer.told())),
                Err(error) => ledger.contradicted(format!("restocking: {error:#}")),
            }
        }
    }
}

//! A crowd that orders as fast as it goes and does not give up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::{Answer, Api, Order, SOON, eventually, is_settled};

/// Longer than a rush may take on a slow machine, restarts included.
const RUSH_TIME_MAX: Duration = Duration::from_secs(200);
/// How long a worker waits before it tries again an order that was not answered.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Numbered orders, each with its number as idempotency key, placed by several workers at a time. A worker repeats an
/// order with the same key until it is answered, through refusals for now (503), dead connections and restarts.
pub(crate) struct Rush {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

struct Shared {
    buyers: Vec<Api>,
    orders: usize,
    order: Box<dyn Fn(usize) -> Order + Send + Sync>,
    next: AtomicUsize,
    stopped: AtomicBool,
    ledger: Mutex<Ledger>,
}

/// What the crowd was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Order id by order number, for each answered 201 or 202.
    pub(crate) accepted: BTreeMap<usize, u64>,
    /// Problem code by order number, for each refused for good.
    pub(crate) refused: BTreeMap<usize, String>,
    /// How often somebody was told to come back later.
    pub(crate) put_off: usize,
    /// How often an answer was cut off.
    pub(crate) cut_off: usize,
}

impl Rush {
    /// Lets `workers` place the orders `0..orders`; number n is placed by buyer n modulo their count.
    pub(crate) fn start(
        buyers: &[Api],
        workers: usize,
        orders: usize,
        order: impl Fn(usize) -> Order + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            buyers: buyers.to_vec(),
            orders,
            order: Box::new(order),
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            ledger: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(Arc::clone(&shared).work());
        }
        Self {
            shared,
            workers: tasks,
        }
    }

    /// What has been answered so far.
    pub(crate) fn ledger(&self) -> Ledger {
        self.shared.ledger.lock().unwrap().clone()
    }

    /// Waits until this many orders have been answered since the start.
    pub(crate) async fn answered(&self, count: usize) {
        let what = format!("{count} orders are answered");
        eventually(RUSH_TIME_MAX, &what, async || {
            (self.shared.answered() >= count).then_some(())
        })
        .await;
    }

    /// Waits until this many more orders have been answered.
    pub(crate) async fn answered_more(&self, count: usize) {
        self.answered(self.shared.answered() + count).await;
    }

    /// Lets nobody start another order; what was started is still brought to its answer.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until every order that was started has been answered.
    pub(crate) async fn finish(mut self) -> Ledger {
        let all = async {
            while self
                .workers
                .join_next()
                .await
                .transpose()
                .unwrap()
                .is_some()
            {}
        };
        tokio::time::timeout(RUSH_TIME_MAX, all)
            .await
            .expect("the rush comes to its end");
        self.ledger()
    }

    /// The order with this number, as it was placed.
    pub(crate) fn order(&self, number: usize) -> (Api, Order) {
        (
            self.shared.buyer(number).clone(),
            self.shared.numbered(number),
        )
    }
}

impl Shared {
    async fn work(self: Arc<Self>) {
        while !self.stopped.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.orders {
                return;
            }
            let order = self.numbered(number);
            while !self.record(number, self.buyer(number).try_place(&order).await) {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    fn numbered(&self, number: usize) -> Order {
        (self.order)(number).key(format!("order-{number}"))
    }

    fn buyer(&self, number: usize) -> &Api {
        &self.buyers[number % self.buyers.len()]
    }

    fn answered(&self) -> usize {
        let ledger = self.ledger.lock().unwrap();
        ledger.accepted.len() + ledger.refused.len()
    }

    /// Writes an answer down; false when the order must be tried again.
    fn record(&self, number: usize, answer: Result<Answer, reqwest::Error>) -> bool {
        let mut ledger = self.ledger.lock().unwrap();
        match answer {
            Err(_) => ledger.cut_off += 1,
            Ok(answer) if answer.status() == 503 => {
                answer.expect_unavailable();
                ledger.put_off += 1;
            }
            Ok(answer) if matches!(answer.status(), 201 | 202) => {
                ledger.accepted.insert(number, answer.id());
                return true;
            }
            Ok(answer) => {
                let code = answer.expect_any_problem()["code"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                ledger.refused.insert(number, code);
                return true;
            }
        }
        false
    }
}

impl Ledger {
    /// Fails if one id was given to two orders.
    #[track_caller]
    pub(crate) fn expect_distinct_ids(&self) {
        let distinct: BTreeSet<u64> = self.accepted.values().copied().collect();
        assert_eq!(
            distinct.len(),
            self.accepted.len(),
            "an order id was given twice"
        );
    }

    /// Fails unless every accepted order can be read by its buyer and settles. Returns all orders that these buyers
    /// have, also later ones; other orders may arrive meanwhile.
    pub(crate) async fn expect_kept(&self, buyers: &[Api]) -> Vec<Value> {
        eventually(SOON, "every accepted order settles", async || {
            let mut orders = Vec::new();
            for buyer in buyers {
                orders.extend(buyer.orders().await);
            }
            let settled: BTreeMap<u64, bool> = orders
                .iter()
                .map(|order| (order["id"].as_u64().unwrap(), is_settled(order)))
                .collect();
            let missing = self.accepted.values().find(|id| !settled.contains_key(id));
            assert_eq!(missing, None, "an accepted order is gone");
            self.accepted
                .values()
                .all(|id| settled[id])
                .then_some(orders)
        })
        .await
    }
}

//! How good it must be, and how good it is.

use crate::cluster::Size;
use crate::figures::{self, Figures, Round};
use crate::history;
use crate::pgbench::{self, Case, HOT_16, HOT_64, ONE_STATEMENT, STATEMENTS, UNIFORM_16};

/// What is promised of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Promise {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Promise {
    /// Whether this keeps it.
    pub(crate) fn is_kept_by(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bar) => ratio >= bar,
            Self::AtMost(bar) => ratio <= bar,
        }
    }
}

/// A promise, and what came of it.
pub(crate) struct Bar {
    /// Of what.
    pub(crate) what: String,
    /// The promise.
    pub(crate) promise: Promise,
    /// The median of what the rounds gave.
    pub(crate) ratio: f64,
}

/// The bars about which the rounds say something.
pub(crate) fn judge(figures: &Figures) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut judge = |what: String, promise, of: &dyn Fn(&Round) -> Option<f64>| {
        let ratio = figures.median(of);
        bars.extend(ratio.map(|ratio| Bar {
            what,
            promise,
            ratio,
        }));
    };
    for size in [Size::OneNode, Size::TwoNodes] {
        let (uniform, hot) = (size.uniform(), size.hot());
        let nodes = match size {
            Size::OneNode => "one node",
            Size::TwoNodes => "two nodes",
        };
        judge(
            format!("cluster ({nodes}), 1,000 SKUs / SQL, uniform, 16 clients"),
            Promise::AtLeast(1.5),
            &|round| ratio(round.get(&uniform), best_sql(round, &UNIFORM_16)),
        );
        judge(
            format!("cluster ({nodes}), one hot SKU / 1,000 SKUs"),
            Promise::AtLeast(0.9),
            &|round| ratio(round.get(&hot), round.get(&uniform)),
        );
        judge(
            format!("cluster ({nodes}), one hot SKU / SQL on one hot row, 64 clients"),
            Promise::AtLeast(5.0),
            &|round| ratio(round.get(&hot), best_sql(round, &HOT_64)),
        );
        judge(
            format!("cluster ({nodes}), one hot SKU / SQL on one hot row, 16 clients"),
            Promise::AtLeast(2.0),
            &|round| ratio(round.get(&hot), best_sql(round, &HOT_16)),
        );
        judge(
            format!(
                "cluster ({nodes}), accepted at half of peak, p99 / p99 of a commit of one row"
            ),
            Promise::AtMost(5.0),
            &|round| {
                ratio(
                    round.get(&size.accept_p99()),
                    round.get(figures::POSTGRES_COMMIT_P99),
                )
            },
        );
    }
    for (what, promise, above, below) in UP {
        judge(what.to_owned(), promise, &|round| {
            ratio(round.get(above), round.get(below))
        });
    }
    for (figure, bound) in BOUNDED {
        judge(
            format!("{figure} / {bound}"),
            Promise::AtMost(1.0),
            &|round| ratio(round.get(figure), Some(bound)),
        );
    }
    let (small, large) = (history::Size::Small, history::Size::Large);
    judge(
        "long history / short history, orders of new products".to_owned(),
        Promise::AtLeast(0.95),
        &|round| {
            ratio(
                round.get(&large.new_products()),
                round.get(&small.new_products()),
            )
        },
    );
    bars
}

/// Figures that must not exceed a bound: 2 KiB, twice 50 ms, and ten seconds.
const BOUNDED: [(&str, f64); 4] = [
    (figures::RESIDENT_ORDER, 2_048.0),
    (figures::PRODUCT_CRASHED, 50.0),
    (figures::ORDER_CRASHED, 50.0),
    (figures::NODE_KILLED, 10_000.0),
];

/// The bars of one process: what, which promise, and two figures, the first by the second.
const UP: [(&str, Promise, &str, &str); 6] = [
    (
        "up, 512 connections / bare actix-web endpoint",
        Promise::AtLeast(0.2),
        figures::UP_UNIFORM,
        figures::BARE,
    ),
    (
        "up, 64 connections, p50 / one fsync",
        Promise::AtMost(10.0),
        figures::UP_LATENCY_P50,
        figures::FSYNC,
    ),
    (
        "up, 64 connections, p99 / one fsync",
        Promise::AtMost(20.0),
        figures::UP_LATENCY_P99,
        figures::FSYNC,
    ),
    (
        "up, accepted at half of peak, p99 / p99 of a commit of one row",
        Promise::AtMost(5.0),
        figures::UP_ACCEPT_P99,
        figures::SQLITE_COMMIT_P99,
    ),
    (
        "engine alone / raw SQLite, all rows it writes",
        Promise::AtLeast(0.5),
        figures::ENGINE_UNIFORM,
        figures::SQLITE_RAW,
    ),
    (
        "engine alone, hot / raw SQLite, all rows it writes",
        Promise::AtLeast(0.5),
        figures::ENGINE_HOT,
        figures::SQLITE_RAW,
    ),
];

/// The better of the two ways to write an order in a transaction of its own.
fn best_sql(round: &Round, case: &Case) -> Option<f64> {
    [ONE_STATEMENT, STATEMENTS]
        .iter()
        .filter_map(|form| round.get(&pgbench::figure(form, case)))
        .reduce(f64::max)
}

fn ratio(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    Some(above? / below?)
}

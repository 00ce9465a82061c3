//! The program fails at places of its own, where something has been done and nobody knows of it yet: it goes on, or is
//! started again, and every order that was accepted is brought to its end.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::harness::{Deployment, Fault, Order, Rush, Shop, deployment};

/// More orders than a rush places before the fault has struck.
const ORDERS: usize = 400;
const STOCK: u64 = 10_000;
/// How a process ends that cannot go on, for its orchestrator to start it again.
const CANNOT_GO_ON: i32 = 70;
/// How a process ends that aborts.
const SIGABRT: i32 = 6;
/// Longer than a fault takes to strike while a crowd orders, on a slow machine.
const STRIKE_TIME_MAX: Duration = Duration::from_secs(60);

/// Where the program can fail, which kind of actor is meant, and whether a panic there ends the process.
struct Case {
    point: &'static str,
    actor: Option<&'static str>,
    panic_ends: PanicEnds,
}

/// What a panic at a point ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PanicEnds {
    /// An actor, which is replaced.
    Actor,
    /// The process: the journal's writer cannot go on with what it does not know.
    Process,
    /// The publisher to Kafka, which is made anew; where there is no Kafka, the writer.
    Feed,
}

const fn case(point: &'static str, actor: Option<&'static str>, panic_ends: PanicEnds) -> Case {
    Case {
        point,
        actor,
        panic_ends,
    }
}

impl Case {
    fn fault(&self, fault: Fault) -> Fault {
        match self.actor {
            Some(actor) => fault.actor(actor),
            None => fault,
        }
    }

    fn panic_ends_the_process(&self) -> bool {
        match self.panic_ends {
            PanicEnds::Actor => false,
            PanicEnds::Process => true,
            PanicEnds::Feed => deployment() == Deployment::Embedded,
        }
    }
}

/// Lets a crowd order, makes the fault strike among it, and starts again what it ended. A shard is reloaded only after
/// something has failed: for that, `first` strikes before.
async fn survive(
    fault: Fault,
    first: Option<Fault>,
    is_ended: impl Fn(ExitStatus) -> bool,
    ends: bool,
) {
    let mut shop = Shop::open().await;
    shop.expect_panics();
    let products = shop.admin().products(4, STOCK).await;
    let buyers = shop.customers(3).await;
    let rush = Rush::start(&buyers, 8, ORDERS, move |number| {
        Order::of(products[number % products.len()], 1)
            .and(products[(number + 1) % products.len()], 1)
    });
    rush.answered(40).await;
    shop.admin().inject(&fault).await;
    if let Some(first) = first {
        shop.admin().inject(&first).await;
    }
    if ends {
        let statuses = until_something_ends(&mut shop).await;
        assert!(
            statuses.iter().all(|status| is_ended(*status)),
            "{statuses:?}"
        );
    }
    // Whatever ends later, because the fault was in force in more than one process, is started again as well.
    let ledger = {
        let finished = rush.finish();
        tokio::pin!(finished);
        loop {
            tokio::select! {
                ledger = &mut finished => break ledger,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    let statuses = shop.revive().await;
                    assert!(ends || statuses.is_empty(), "{statuses:?}");
                    assert!(statuses.iter().all(|status| is_ended(*status)), "{statuses:?}");
                }
            }
        }
    };
    assert_eq!(ledger.accepted.len(), ORDERS, "{:?}", ledger.refused);
    ledger.expect_distinct_ids();
    let orders = ledger.expect_kept(&buyers).await;
    assert_eq!(
        orders.len(),
        ORDERS,
        "an order exists that nobody asked for"
    );
    shop.revive().await;
    if !ends {
        assert!(shop.stderr().contains("panicked at"), "nothing has struck");
    }
    shop.audit().await;
}

/// Waits until a process has ended, and starts it again.
async fn until_something_ends(shop: &mut Shop) -> Vec<ExitStatus> {
    let begun = Instant::now();
    loop {
        let statuses = shop.revive().await;
        if !statuses.is_empty() {
            return statuses;
        }
        assert!(begun.elapsed() < STRIKE_TIME_MAX, "nothing has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn survive_a_panic(case: Case) {
    let fault = case.fault(Fault::panic_at(case.point, 1));
    let is_ended = |status: ExitStatus| status.code() == Some(CANNOT_GO_ON);
    survive(fault, first(&case), is_ended, case.panic_ends_the_process()).await;
}

async fn survive_an_exit(case: Case) {
    let fault = case.fault(Fault::exit_at(case.point));
    let is_ended = |status: ExitStatus| status.signal() == Some(SIGABRT);
    survive(fault, first(&case), is_ended, true).await;
}

fn first(case: &Case) -> Option<Fault> {
    (case.point == "during_reload" || case.actor == Some("shard") && case.point == "in_started")
        .then(|| match case.point {
            "during_reload" => Fault::commit_failure(1),
            _ => Fault::panic_at("in_handler", 1).actor("shard"),
        })
}

macro_rules! points {
    ($($name:ident: $point:literal, $actor:expr, $ends:ident;)*) => {
        $(
            mod $name {
                use super::*;

                #[tokio::test]
                async fn a_panic_there_is_survived() {
                    survive_a_panic(case($point, $actor, PanicEnds::$ends)).await;
                }

                #[tokio::test]
                async fn a_process_that_ends_there_is_started_again_and_loses_nothing() {
                    survive_an_exit(case($point, $actor, PanicEnds::$ends)).await;
                }
            }
        )*
    };
}

points! {
    after_the_commit_before_the_reply: "after_commit_before_reply", None, Process;
    after_producing_before_that_is_noted: "after_produce_before_confirm", None, Feed;
    before_a_watermark: "before_watermark", None, Process;
    after_a_watermark: "after_watermark", None, Process;
    during_a_reload: "during_reload", None, Actor;
    in_a_handler_of_a_shard: "in_handler", Some("shard"), Actor;
    in_a_handler_of_an_order: "in_handler", Some("order"), Actor;
    in_a_handler_of_a_product: "in_handler", Some("product"), Actor;
    when_a_shard_starts: "in_started", Some("shard"), Actor;
    when_an_order_starts: "in_started", Some("order"), Actor;
}

/// A failure that strikes again and again is not endured for ever: the budget for shards ends it.
#[tokio::test]
async fn a_shard_that_panics_whenever_it_is_loaded_ends_the_process() {
    let mut shop = Shop::open().await;
    shop.expect_panics();
    shop.admin()
        .inject(&Fault::panic_at("during_reload", 1_000_000))
        .await;
    shop.admin().inject(&Fault::commit_failure(1)).await;
    let _ = shop.admin().post("/v1/products", &serde_json::json!({
        "sku": "LANTERN", "name": "Lantern", "price": {"amount": 100, "currency": "EUR"}, "stock": 5,
    })).await;
    let statuses = until_something_ends(&mut shop).await;
    assert!(
        statuses
            .iter()
            .all(|status| status.code() == Some(CANNOT_GO_ON)),
        "{statuses:?}"
    );
    // In a cluster the fault is in force in the other node too, and it takes the shards over.
    let begun = Instant::now();
    for number in 0.. {
        let answer = shop.admin().offer(&format!("TENT-{number}"), 1).await;
        if answer.status() == 201 {
            break;
        }
        assert!(begun.elapsed() < STRIKE_TIME_MAX, "{}", answer.told());
        shop.revive().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_delay_anywhere_costs_nothing_but_time() {
    let shop = Shop::open().await;
    let products = shop.admin().products(2, STOCK).await;
    let buyers = shop.customers(2).await;
    for point in [
        "after_commit_before_reply",
        "after_produce_before_confirm",
        "before_watermark",
        "after_watermark",
    ] {
        let fault = Fault::delay_at(point, Duration::from_millis(40), 5);
        shop.admin().inject(&fault).await;
    }
    let rush = Rush::start(&buyers, 8, 100, move |number| {
        Order::of(products[number % 2], 1)
    });
    let ledger = rush.finish().await;
    assert_eq!((ledger.accepted.len(), ledger.cut_off), (100, 0));
    ledger.expect_kept(&buyers).await;
    shop.audit().await;
}

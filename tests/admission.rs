//! A shop that has as many orders in hand as it sees through in a second refuses the rest at once.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Fault, Order, Shop, at_once, only_with};

/// More than one buyer's shard of a shop that has just been opened takes in hand: a quarter of 4,096.
const ORDERS: usize = 1_400;
/// How long nothing is committed, so that nobody is done with.
const STANDSTILL: Duration = Duration::from_secs(3);

/// Each order takes a connection here, and one in the shop, which inherits the limit.
fn allow_connections() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[tokio::test]
async fn orders_beyond_what_is_done_in_a_second_are_refused_at_once_and_can_be_repeated() {
    only_with!(
        Embedded,
        "a gateway and its nodes have more shards, and so more room each"
    );
    allow_connections();
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10_000).await;
    let anna = shop.customer("anna").await;
    let numbered = move |number: usize| Order::of(lantern, 1).key(format!("order-{number}"));
    shop.admin()
        .inject(&Fault::slow_commits(STANDSTILL, 1))
        .await;

    let orders = (0..ORDERS).map(|number| {
        let anna = anna.clone();
        async move { anna.place(&numbered(number)).await }
    });
    let answers = at_once(orders).await;
    let (mut placed, mut refused) = (BTreeSet::new(), Vec::new());
    for (number, answer) in answers.into_iter().enumerate() {
        match answer.status() {
            201 | 202 => {
                placed.insert(answer.json()["id"].as_u64().unwrap());
            }
            503 => {
                answer.expect_unavailable();
                refused.push(number);
            }
            _ => panic!("{}", answer.told()),
        }
    }
    assert!(!refused.is_empty(), "all {ORDERS} were let in");
    assert!(!placed.is_empty(), "none of {ORDERS} was let in");

    // Nothing of what was refused has happened, and its key was not taken.
    let kept: BTreeSet<u64> = (anna.orders().await.iter())
        .map(|order| order["id"].as_u64().unwrap())
        .collect();
    assert_eq!(kept, placed);
    let again = anna.place(&numbered(refused[0])).await.expect_status(201);
    assert!(!again.is_replay(), "{}", again.told());
    shop.audit().await;
}

//! A node that hangs, is given up by the others, and goes on as if nothing had happened.

use std::time::Duration;

use proto::v1::CancelOrderRequest;
use proto::v1::order_service_client::OrderServiceClient;
use serde_json::Value;
use tonic::Code;

use super::interop::with_token;
use super::{Market, SERVED_AGAIN_MAX, owner_of};
use crate::harness::{ClusterSetup, Order, SHARDS, SOON, eventually, only_with};

/// Longer than a call may take that has a deadline.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_that_was_frozen_in_a_burst_until_it_was_replaced_rejoins_and_leaves_no_trace() {
    only_with!(Cluster, "it is about nodes");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    market.until_busy("a").await;
    market.until_busy("b").await;
    let rush = market.rush(8);
    rush.answered_more(200).await;

    market.cluster.node("a").freeze();
    market.until_served_without("a").await;
    rush.answered_more(200).await;
    market.cluster.node("a").thaw();
    rush.answered_more(200).await;
    market.until_busy("a").await;
    rush.answered_more(100).await;

    let ledger = market.close(rush).await;
    assert_eq!(ledger.cut_off, 0, "the gateway was there all the time");
}

/// The call waits in the frozen process's socket, so it is the first thing that the woken owner of old sees.
#[tokio::test]
async fn an_idle_owner_that_was_replaced_while_frozen_does_not_act_on_what_it_remembers() {
    only_with!(Cluster, "it is about nodes");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    market.until_busy("a").await;
    market.until_busy("b").await;
    let anna = market.buyers[0].clone();
    let lantern = market.products[0];
    let place = async || {
        let order = Order::of(lantern, 1);
        anna.place(&order).await.expect_status(201).id()
    };
    let (cancelled_elsewhere, kept, new_to_it) = (place().await, place().await, place().await);

    let shard = anna.user_id() % u64::from(SHARDS);
    let owner = owner_of(&market.admin().system().await, "orders", shard);
    market.cluster.node(&owner).freeze();
    market.until_served_without(&owner).await;
    anna.cancel(cancelled_elsewhere).await.expect_status(200);

    let address = market.cluster.address_of(&owner).to_owned();
    let calls: Vec<_> = [cancelled_elsewhere, new_to_it]
        .map(|id| {
            let (address, token) = (address.clone(), anna.token().to_owned());
            tokio::spawn(async move {
                let mut client = OrderServiceClient::connect(format!("http://{address}"))
                    .await
                    .expect("the kernel answers for a frozen process");
                client
                    .cancel_order(with_token(CancelOrderRequest { id }, &token))
                    .await
            })
        })
        .into();
    // Once the calls lie there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    market.cluster.node(&owner).thaw();
    for call in calls {
        let answer = tokio::time::timeout(CALL_TIME_MAX, call)
            .await
            .expect("it answers")
            .unwrap();
        if let Err(status) = answer {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
        }
    }

    let events = async |id| anna.events(id).await;
    assert_eq!(count(&events(cancelled_elsewhere).await, "cancelled"), 1);
    assert!(count(&events(new_to_it).await, "cancelled") <= 1);
    assert_eq!(anna.order(kept).await["status"], "confirmed");
    anna.cancel(new_to_it).await.expect_status(200);
    let back = async || (market.admin().available(lantern).await == super::STOCK - 1).then_some(());
    eventually(SOON, "the stock of both is back, once", back).await;
    market.until_busy(&owner).await;
    let again = async || (anna.place(&Order::of(lantern, 1)).await.status() == 201).then_some(());
    eventually(SERVED_AGAIN_MAX, "orders are served", again).await;
    market.cluster.audit().await;
}

fn count(events: &[Value], word: &str) -> usize {
    let types = events.iter().filter_map(|event| event["type"].as_str());
    types.filter(|name| name.contains(word)).count()
}

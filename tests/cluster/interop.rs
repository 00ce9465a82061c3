//! Programs of others take part: over gRPC with a generated client, and by reading the public topics.

use std::collections::{BTreeMap, BTreeSet};

use proto::v1::order_service_client::OrderServiceClient;
use proto::v1::product_service_client::ProductServiceClient;
use proto::v1::{
    CreateOrderRequest, GetOrderRequest, ListProductsRequest, OrderStatus, RequestedLine,
};
use reqwest::Method;
use tonic::{Code, Request};

use super::Market;
use crate::harness::{ClusterSetup, Order, Record, SOON, eventually, only_with};

/// The public topics, and the domain whose shards their `ce_source` names.
const PUBLIC_TOPICS: [&str; 4] = ["auth", "orders", "products", "notifications"];

/// The trace of a caller.
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A request that shows an access token.
pub(super) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test]
async fn an_order_is_placed_over_grpc_at_any_node() {
    only_with!(Cluster, "it is about gRPC");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let anna = &market.buyers[0];
    for (number, node) in ["a", "b"].into_iter().enumerate() {
        let url = format!("http://{}", market.cluster.address_of(node));
        let mut products = ProductServiceClient::connect(url.clone()).await.unwrap();
        let catalogue = products.list_products(ListProductsRequest::default()).await;
        assert_eq!(catalogue.unwrap().into_inner().products.len(), 8);

        let mut orders = OrderServiceClient::connect(url).await.unwrap();
        let wanted = CreateOrderRequest {
            lines: vec![RequestedLine {
                product_id: market.products[number],
                quantity: 2,
            }],
            idempotency_key: Some("over-grpc".to_owned()),
            wait_ms: Some(30_000),
        };
        let stranger = orders.create_order(wanted.clone()).await.unwrap_err();
        assert_eq!(stranger.code(), Code::Unauthenticated, "{stranger}");
        let placed = orders.create_order(with_token(wanted, anna.token())).await;
        if number == 1 {
            // The key has been used with another product, at the other node.
            assert_eq!(placed.unwrap_err().code(), Code::InvalidArgument);
            continue;
        }
        let order = placed.unwrap().into_inner().order.unwrap();
        assert_eq!(order.status(), OrderStatus::Confirmed);
        let read = orders
            .get_order(with_token(GetOrderRequest { id: order.id }, anna.token()))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(read.order.as_ref().map(|it| it.id), Some(order.id));
        assert_eq!(anna.order(order.id).await["status"], "confirmed");
    }
    market.cluster.audit().await;
}

#[tokio::test]
async fn the_public_topics_tell_every_event_once_in_order_with_the_headers_of_cloudevents() {
    only_with!(Cluster, "it is about Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let rush = market.rush(4);
    rush.answered(100).await;
    let ledger = market.close(rush).await;
    let anna = &market.buyers[0];
    let traced = Order::of(market.products[0], 1);
    let traced = traced.write_to(anna.request(Method::POST, "/v1/orders"));
    let traced = traced.header("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01"));
    let traced = anna.send(traced).await.expect_status(201).id().to_string();

    let told = async || {
        let records = market.cluster.topics().read("events.orders").await;
        let confirmed = of_type(&records, "order.confirmed.v1");
        (confirmed.len() > ledger.accepted.len()).then_some(records)
    };
    let orders = eventually(SOON, "every confirmation is public", told).await;
    let ids = ledger.accepted.values().map(u64::to_string);
    let ids: BTreeSet<String> = ids.chain([traced.clone()]).collect();
    let confirmed = of_type(&orders, "order.confirmed.v1");
    let confirmed: BTreeSet<String> = confirmed.iter().map(|it| it.key.clone()).collect();
    assert_eq!(confirmed, ids);
    for record in orders.iter().filter(|record| record.key == traced) {
        let parent = &record.headers["traceparent"];
        assert!(parent.contains(TRACE_ID), "{parent}");
    }
    for domain in PUBLIC_TOPICS {
        let records = market
            .cluster
            .topics()
            .read(&format!("events.{domain}"))
            .await;
        assert!(!records.is_empty(), "events.{domain} is empty");
        expect_well_formed(domain, &records);
    }
}

/// Those of one type.
pub(super) fn of_type<'a>(records: &'a [Record], event_type: &str) -> Vec<&'a Record> {
    let records = records.iter();
    records
        .filter(|record| record.headers["ce_type"] == event_type)
        .collect()
}

/// Whether somebody who takes up each record only behind the one before it, and passes over the others, gets them all.
pub(super) fn is_complete(records: &[Record]) -> bool {
    let mut last: BTreeMap<i32, u64> = BTreeMap::new();
    let mut highest = last.clone();
    for record in records {
        let position: u64 = record.headers["ce_id"].parse().unwrap();
        let last = last.entry(record.partition).or_default();
        *last += u64::from(position == *last + 1);
        let highest = highest.entry(record.partition).or_default();
        *highest = position.max(*highest);
    }
    last == highest
}

/// The headers are there, and each partition is its shard's journal, position by position.
pub(super) fn expect_well_formed(domain: &str, records: &[Record]) {
    let mut highest: BTreeMap<i32, u64> = BTreeMap::new();
    for record in records {
        let header = |name: &str| {
            let headers = &record.headers;
            headers
                .get(name)
                .unwrap_or_else(|| panic!("no header {name}: {headers:?}"))
                .as_str()
        };
        assert_eq!(header("ce_specversion"), "1.0");
        assert_eq!(header("content-type"), "application/protobuf");
        assert_eq!(header("ce_subject"), record.key);
        let (source, incarnation) = header("ce_source").rsplit_once('/').unwrap();
        assert_eq!(source, format!("/{domain}/shards/{}", record.partition));
        assert_eq!(incarnation.len(), 16, "{incarnation}");
        let (kind, version) = header("ce_type").rsplit_once('.').unwrap();
        assert!(
            !kind.is_empty() && version.starts_with('v'),
            "{kind}.{version}"
        );
        let time = header("ce_time");
        assert!(time.contains('T') && time.ends_with('Z'), "{time}");
        if let Some(parent) = record.headers.get("traceparent") {
            assert_eq!(parent.split('-').count(), 4, "{parent}");
        }
        let position: u64 = header("ce_id").parse().unwrap();
        assert_eq!(header("prev"), (position - 1).to_string());
        // A record may be told again, also between later ones where a shard has changed its owner, but none is left out.
        let highest = highest.entry(record.partition).or_default();
        assert!(
            position <= *highest + 1,
            "{highest} is followed by {position}"
        );
        *highest = position.max(*highest);
        assert!(!record.payload.is_empty());
    }
}

//! `/metrics`, as Prometheus reads it.

use crate::harness::{Api, Cluster, ClusterSetup, Order, SOON, Setup, Shop, eventually, only_with};

/// The text of the metrics that somebody reads there.
pub(super) async fn metrics(reader: &Api) -> String {
    let answer = reader.get("/metrics").await.expect_status(200);
    let form = answer.expect_header("content-type").to_owned();
    assert!(form.starts_with("application/openmetrics-text"), "{form}");
    answer.text()
}

/// The value of a metric with exactly these labels, if it is there.
pub(super) fn value(text: &str, metric: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Fails unless every line is a comment or a value, every value belongs to a metric that was described, and the end is
/// marked.
fn expect_well_formed(text: &str) {
    let mut described = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some(rest) = comment.strip_prefix("TYPE ") {
                described.push(rest.split_once(' ').unwrap().0.to_owned());
            }
            continue;
        }
        let (name_and_labels, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap();
        let name = name_and_labels.split('{').next().unwrap();
        assert!(
            described
                .iter()
                .any(|known| name.starts_with(known.as_str())),
            "{line}"
        );
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut distinct = described.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        described.len(),
        "a metric is described twice"
    );
}

#[tokio::test]
async fn anyone_reads_what_was_asked_over_http_by_route_and_never_by_id() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order = Order::of(lantern, 1);
    let id = anna.place(&order).await.expect_status(201).id();
    anna.order(id).await;
    anna.get("/v1/orders/4711").await.expect_status(404);
    anna.get("/nothing/4711").await.expect_status(404);

    let text = metrics(shop.visitor()).await;
    expect_well_formed(&text);
    for (metric, least) in [
        (
            r#"stampede_http_requests_total{route="/v1/orders",method="POST",status="201"}"#,
            1.0,
        ),
        (
            r#"stampede_http_requests_total{route="/v1/orders/{id}",method="GET",status="200"}"#,
            1.0,
        ),
        (
            r#"stampede_http_requests_total{route="/v1/orders/{id}",method="GET",status="404"}"#,
            1.0,
        ),
        (
            r#"stampede_http_requests_total{route="other",method="GET",status="404"}"#,
            1.0,
        ),
        (
            r#"stampede_http_request_duration_seconds_count{route="/v1/orders"}"#,
            1.0,
        ),
    ] {
        let value = value(&text, metric).unwrap_or_else(|| panic!("{metric} in {text}"));
        assert!(value >= least, "{metric} {value}");
    }
    for id in [id.to_string(), "4711".to_owned()] {
        assert!(!text.contains(&format!("/{id}")), "{text}");
    }
}

#[tokio::test]
async fn orders_commits_and_actors_are_measured() {
    only_with!(Embedded, "a gateway hosts no shards");
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    anna.place(&Order::of(lantern, 1)).await.expect_status(201);
    let order = Order::of(lantern, 1).respond_async();
    anna.place(&order).await.expect_status(202);

    let settled = async || {
        let text = metrics(shop.visitor()).await;
        (value(&text, "stampede_order_confirm_seconds_count") == Some(2.0)).then_some(text)
    };
    let text = eventually(SOON, "both orders are measured", settled).await;
    expect_well_formed(&text);
    assert_eq!(
        value(&text, "stampede_order_accept_seconds_count"),
        Some(2.0)
    );
    let at_least = |metric: &str, least: f64| {
        let value = value(&text, metric).unwrap_or_else(|| panic!("{metric} in {text}"));
        assert!(value >= least, "{metric} {value}");
    };
    at_least(r#"stampede_commit_seconds_count{writer="all"}"#, 3.0);
    at_least(r#"stampede_commit_batch_entries_sum{writer="all"}"#, 5.0);
    at_least(r#"stampede_commits_failed_total{writer="all"}"#, 0.0);
    at_least(r#"stampede_actors{kind="product"}"#, 1.0);
    at_least(r#"stampede_actors{kind="shard"}"#, 16.0);
    at_least(r#"stampede_mailbox_depth_peak{kind="order"}"#, 1.0);
    at_least(r#"stampede_restart_budget_allowed{kind="order"}"#, 10.0);
    at_least(r#"stampede_shards_serving{domain="orders"}"#, 4.0);
    for metric in [
        r#"stampede_parked_commands{domain="products"}"#,
        r#"stampede_held_links{domain="products"}"#,
        "stampede_frozen_threads_total",
        "stampede_orders_overdue",
        r#"stampede_restart_budget_used{kind="shard"}"#,
    ] {
        assert_eq!(value(&text, metric), Some(0.0), "{metric} in {text}");
    }
}

#[tokio::test]
async fn metrics_that_are_not_public_are_for_administrators() {
    only_with!(
        Embedded,
        "the switch of a cluster is a key of its configuration"
    );
    let shop = Shop::open_with(Setup {
        environment: vec![("STAMPEDE_METRICS_PUBLIC", "false")],
        ..Setup::default()
    })
    .await;
    let anna = shop.customer("anna").await;
    shop.visitor()
        .get("/metrics")
        .await
        .expect_problem(401, "unauthorized");
    anna.get("/metrics").await.expect_problem(403, "forbidden");
    expect_well_formed(&metrics(shop.admin()).await);
}

#[tokio::test]
async fn a_node_serves_its_metrics_where_its_configuration_says() {
    only_with!(Cluster, "it is about nodes");
    let setup = ClusterSetup::of(&["a", "b"]).set("metrics.listen", "\"127.0.0.1:0\"");
    let mut cluster = Cluster::open(setup.set("metrics.public", "false")).await;
    let lantern = cluster.admin().product("LANTERN", 10).await;
    let anna = cluster.customers(1).await.remove(0);
    anna.place(&Order::of(lantern, 1)).await.expect_status(201);

    let (mut accepted, mut commits) = (0.0, 0.0);
    for node in ["a", "b"] {
        let address = cluster.node(node).says("  metrics            ").await;
        let address = address.strip_suffix("/metrics").unwrap().to_owned();
        let at_node = |token: &str| {
            let address = std::sync::Arc::new(std::sync::Mutex::new(address.clone()));
            Api::visitor(address).with_token(token)
        };
        at_node(anna.token())
            .get("/metrics")
            .await
            .expect_problem(403, "forbidden");
        let admin = at_node(cluster.admin().token());
        admin
            .get("/v1/products")
            .await
            .expect_problem(404, "not_found");
        let text = metrics(&admin).await;
        expect_well_formed(&text);
        accepted += value(&text, "stampede_order_accept_seconds_count").unwrap();
        let of_orders = r#"stampede_commit_seconds_count{writer="orders"}"#;
        commits += value(&text, of_orders).unwrap();
        assert!(
            value(
                &text,
                r#"stampede_publisher_backlog_records{family="public"}"#
            )
            .is_some(),
            "{text}"
        );
    }
    assert!(accepted >= 1.0 && commits >= 2.0, "{accepted} {commits}");
    cluster.admin().get("/metrics").await.expect_status(200);
}

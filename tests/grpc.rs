//! The shop of one process serves gRPC when it is asked to.

use proto::v1::order_service_client::OrderServiceClient;
use proto::v1::{CreateOrderRequest, OrderStatus, RequestedLine};
use tonic::Request;

use crate::harness::{SOON, Setup, Shop, eventually, only_with};

/// What stands before the address in the lines that say that the shop is ready.
const GRPC_LINE: &str = "  gRPC ";

#[tokio::test]
async fn an_order_placed_over_grpc_is_the_order_that_http_shows() {
    only_with!(Embedded, "nodes of a cluster have tests of their own");
    let setup = Setup {
        grpc: true,
        ..Setup::default()
    };
    let shop = Shop::open_with(setup).await;
    let address = eventually(SOON, "the program says where gRPC is served", async || {
        let stdout = shop.stdout();
        let line = stdout.lines().find_map(|line| line.strip_prefix(GRPC_LINE));
        line.map(|address| address.trim().to_owned())
    });
    let mut orders = OrderServiceClient::connect(format!("http://{}", address.await))
        .await
        .unwrap();
    let product = shop.admin().product("GRPC-1", 3).await;
    let anna = shop.customer("anna").await;
    let mut request = Request::new(CreateOrderRequest {
        lines: vec![RequestedLine {
            product_id: product,
            quantity: 2,
        }],
        idempotency_key: None,
        wait_ms: Some(30_000),
    });
    let token = format!("Bearer {}", anna.token()).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let placed = orders.create_order(request).await.unwrap().into_inner();
    let order = placed.order.unwrap();
    assert_eq!(order.status(), OrderStatus::Confirmed);
    assert_eq!(anna.order(order.id).await["status"], "confirmed");
    shop.audit().await;
}

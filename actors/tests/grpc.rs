//! The gRPC services over a real port, with generated clients, on a SQLite store.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "grpc/accounts.rs"]
mod accounts;
#[path = "grpc/catalogue.rs"]
mod catalogue;
#[path = "grpc/orders.rs"]
mod orders;
#[path = "grpc/server.rs"]
mod server;
#[path = "grpc/watching.rs"]
mod watching;

use std::{net::TcpListener, path::Path, sync::Arc, time::Duration};

use actors::{
    Config, Running, Shop, Stores,
    auth::{Audience, Registration, new_signing_key},
    grpc::{Serving, Settings, serve, services},
    orders::PlaceOrder,
    start,
    system::Phase,
};
use domain::{
    Event, ProductId, Quantity, Topology, UserId,
    orders::{OrderEvent, RequestedLine},
    users::Role,
};
use futures::StreamExt;
use proto::v1::{
    self, auth_service_client::AuthServiceClient, log_service_client::LogServiceClient,
    notification_service_client::NotificationServiceClient,
    order_service_client::OrderServiceClient, product_service_client::ProductServiceClient,
};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};
use tokio::sync::oneshot;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;

const PASSWORD: &str = "correct horse battery";

struct Node {
    shop: Shop,
    running: Running,
    serving: Serving,
    stop: oneshot::Sender<()>,
    channel: Channel,
    admin: String,
}

async fn node(dir: &Path) -> Node {
    let topology = Topology::uniform(2);
    let store = SqliteStore::open(dir, &topology, OpenMode::CreateIfMissing).await;
    let store = Arc::new(store.unwrap());
    let config = Config {
        node: "test".to_owned(),
        topology,
        shard_threads: 1,
        password_threads: 2,
        signing_key_pem: new_signing_key().unwrap(),
        faults_allowed: false,
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    let stores = Stores {
        journal: store.clone(),
        views: store,
        activity: Arc::new(SqliteActivityLog::open(dir).await.unwrap()),
        #[cfg(feature = "fault-injection")]
        faults: Arc::new(|_| Box::pin(async {})),
    };
    let (shop, running) = start(config, stores).unwrap();
    let settings = Settings::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        services(shop.clone(), &settings).unwrap(),
        &settings,
        async move {
            let _ = stopped.await;
        },
    )
    .unwrap();
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let registration = Registration {
        username: "admin".parse().unwrap(),
        email: None,
        password: PASSWORD.to_owned(),
        role: Role::Admin,
    };
    shop.auth.register(registration).await.unwrap();
    let endpoint = format!("http://{}", serving.address());
    let channel = Channel::from_shared(endpoint).unwrap();
    let channel = channel.connect().await.unwrap();
    let admin = login(&channel, "admin").await.unwrap();
    Node {
        shop,
        running,
        serving,
        stop,
        channel,
        admin,
    }
}

impl Node {
    fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel.clone())
    }

    fn products(&self) -> ProductServiceClient<Channel> {
        ProductServiceClient::new(self.channel.clone())
    }

    fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel.clone())
    }

    /// A new customer's access token.
    async fn customer(&self, name: &str) -> String {
        let request = register(name, PASSWORD, Some("ann@example.com"));
        self.auth().register(request).await.unwrap();
        login(&self.channel, name).await.unwrap()
    }

    async fn product(&self, sku: &str, stock: u64) -> u64 {
        let request = with_token(&self.admin, new_product(sku, stock));
        let created = self.products().create_product(request).await.unwrap();
        created.into_inner().product.unwrap().id
    }

    async fn order(
        &self,
        token: &str,
        request: v1::CreateOrderRequest,
    ) -> Result<v1::CreateOrderResponse, Status> {
        let placed = self.orders().create_order(with_token(token, request)).await;
        placed.map(tonic::Response::into_inner)
    }

    async fn stop(self) {
        drop(self.stop);
        let mut serving = self.serving;
        serving.ended().await.unwrap();
        self.running.stop(Duration::from_secs(10)).await;
    }
}

fn run<F: Future<Output = Node>>(test: impl FnOnce(Node) -> F) {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        test(node(dir.path()).await).await.stop().await;
    });
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn register(username: &str, password: &str, email: Option<&str>) -> v1::RegisterRequest {
    v1::RegisterRequest {
        username: username.to_owned(),
        email: email.map(str::to_owned),
        password: password.to_owned(),
        role: None,
    }
}

async fn login(channel: &Channel, username: &str) -> Result<String, Status> {
    let request = v1::LoginRequest {
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let answer = AuthServiceClient::new(channel.clone()).login(request).await;
    Ok(answer?.into_inner().tokens.unwrap().access_token)
}

fn new_product(sku: &str, stock: u64) -> v1::CreateProductRequest {
    v1::CreateProductRequest {
        sku: sku.to_owned(),
        name: sku.to_owned(),
        description: String::new(),
        price: Some(v1::Money {
            amount: 500,
            currency: "EUR".to_owned(),
        }),
        stock,
    }
}

fn new_order(product_id: u64, quantity: u32, key: Option<&str>) -> v1::CreateOrderRequest {
    v1::CreateOrderRequest {
        lines: vec![v1::RequestedLine {
            product_id,
            quantity,
        }],
        idempotency_key: key.map(str::to_owned),
        wait_ms: Some(10_000),
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

fn violations(status: &Status) -> Vec<(String, String)> {
    let bad = status.get_details_bad_request().unwrap();
    let violations = bad.field_violations.into_iter();
    violations
        .map(|violation| (violation.field, violation.reason))
        .collect()
}

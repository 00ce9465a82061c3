//! A shop without shards that reaches those of another by gRPC: what is answered, and what happens when the other side
//! does not serve, is not there, or does not answer.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    Currency, Domain, Money, ProductId, Quantity, ShardRef, Topology, UserId,
    orders::{CancelledBy, IdempotencyKey, OrderStatus, RequestedLine},
    users::Role,
};
use storage::{
    Directory, DirectoryView, NodeEntry, NodeRecord, OwnerEntry, Published, StorageError,
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{async_trait, transport::server::TcpIncoming};

use super::{
    Cluster, ClusterSecret, DirectoryCache, HandOverRequest, Peers, ShardServer, peers::Failure,
    route::ROUTE_WAIT_MAX,
};
use crate::{
    Config, Running, Shop, Stores, Unavailable,
    auth::{AuthError, Registration},
    orders::{OrdersError, PlaceOrder},
    products::{NewProduct, ProductsError, StockAdjustment},
    runtime::{Faults, Stats, shards::Shards},
    start,
    system::{ParkedError, Phase},
};

/// A directory in memory.
#[derive(Default)]
pub(super) struct FakeDirectory {
    nodes: Mutex<BTreeMap<String, NodeEntry>>,
    owners: Mutex<BTreeMap<ShardRef, Option<String>>>,
    is_failing: AtomicBool,
    readings: AtomicUsize,
}

impl FakeDirectory {
    pub(super) fn put_node(&self, name: &str, address: &str, age: Duration) {
        let node = NodeRecord {
            name: name.to_owned(),
            address: address.to_owned(),
            domains: Domain::ALL.to_vec(),
            status: serde_json::Value::Null,
        };
        let mut nodes = self.nodes.lock().unwrap();
        nodes.insert(name.to_owned(), NodeEntry { node, age });
    }

    pub(super) fn put_owner(&self, shard: ShardRef, owner: Option<&str>) {
        let mut owners = self.owners.lock().unwrap();
        owners.insert(shard, owner.map(ToOwned::to_owned));
    }

    fn put_owner_of_all(&self, owner: Option<&str>) {
        for shard in TOPOLOGY.journals() {
            self.put_owner(shard, owner);
        }
    }

    pub(super) fn fail(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    pub(super) fn readings(&self) -> usize {
        self.readings.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn announce(&self, _: &NodeRecord) -> Result<(), StorageError> {
        Ok(())
    }

    async fn withdraw(&self, _: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn view(&self) -> Result<DirectoryView, StorageError> {
        self.readings.fetch_add(1, Ordering::SeqCst);
        if self.is_failing.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable("gone".to_owned()));
        }
        let owners = self.owners.lock().unwrap();
        Ok(DirectoryView {
            nodes: self.nodes.lock().unwrap().values().cloned().collect(),
            owners: owners
                .iter()
                .map(|(shard, owner)| OwnerEntry {
                    shard: *shard,
                    owner: owner.clone(),
                    epoch: 1,
                })
                .collect(),
        })
    }

    async fn published(&self, _: &[ShardRef]) -> Result<Vec<(ShardRef, Published)>, StorageError> {
        Ok(Vec::new())
    }

    async fn set_published(&self, _: &[(ShardRef, Published)]) -> Result<(), StorageError> {
        Ok(())
    }
}

const TOPOLOGY: Topology = Topology::uniform(2);
const KEY: &str = "the signing key";

/// A shop on SQLite whose shards are served to others.
struct Node {
    shop: Shop,
    running: Running,
    address: String,
    requests: mpsc::Receiver<HandOverRequest>,
}

async fn node(dir: &Path) -> Node {
    node_that(dir, true).await
}

async fn node_that(dir: &Path, faults_allowed: bool) -> Node {
    let store = SqliteStore::open(dir, &TOPOLOGY, OpenMode::CreateIfMissing)
        .await
        .unwrap();
    let store = Arc::new(store);
    let config = Config {
        node: "server".to_owned(),
        topology: TOPOLOGY,
        shard_threads: 1,
        password_threads: 2,
        signing_key_pem: crate::auth::new_signing_key().unwrap(),
        faults_allowed,
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
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (hand_over, requests) = mpsc::channel(8);
    let server = ShardServer::new(&shop, ClusterSecret::of(KEY), hand_over);
    Node {
        address: serve(server).await,
        shop,
        running,
        requests,
    }
}

async fn serve(server: ShardServer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(server.into_service())
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    url(address)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The services of `shop` without its shards: they are reached as the directory says.
fn gateway(shop: &Shop, directory: Arc<FakeDirectory>, key: &str) -> Shop {
    let cluster = Cluster {
        node: "gateway".into(),
        directory: DirectoryCache::start(directory),
        peers: Peers::new(&ClusterSecret::of(key)),
        stats: Arc::new(Stats::default()),
    };
    let mut shop = shop.clone();
    shop.auth.shards = Shards::new(Domain::Auth, Arc::new([]), Some(&cluster));
    shop.orders.shards = Shards::new(Domain::Orders, Arc::new([]), Some(&cluster));
    shop.products.shards = Shards::new(Domain::Products, Arc::new([]), Some(&cluster));
    shop.system.users = shop.auth.shards.clone();
    shop.system.orders = shop.orders.shards.clone();
    shop.system.products = shop.products.shards.clone();
    shop.system.notifications = Shards::new(Domain::Notifications, Arc::new([]), Some(&cluster));
    shop.system.node = cluster.node.clone();
    shop.system.env.faults = Faults::new(true);
    shop.system.cluster = Some(cluster);
    shop
}

/// A node, and a gateway before it whose directory knows the node.
async fn two(dir: &Path) -> (Node, Shop, Arc<FakeDirectory>) {
    let node = node(dir).await;
    let directory = Arc::new(FakeDirectory::default());
    directory.put_node("server", &node.address, Duration::ZERO);
    directory.put_owner_of_all(Some("server"));
    let gateway = gateway(&node.shop, directory.clone(), KEY);
    (node, gateway, directory)
}

async fn product(shop: &Shop, sku: &str, stock: u64) -> Result<ProductId, ProductsError> {
    let product = NewProduct {
        sku: sku.parse().unwrap(),
        name: sku.into(),
        description: "".into(),
        price: Money::price(500, Currency::EUR).unwrap(),
        stock,
    };
    shop.products
        .create(product)
        .await
        .map(|product| product.id)
}

fn order(product: ProductId, key: Option<&str>) -> PlaceOrder {
    PlaceOrder {
        user_id: UserId::new(7).unwrap(),
        lines: vec![RequestedLine {
            product_id: product,
            quantity: Quantity::new(1).unwrap(),
        }],
        idempotency: key.map(|key| IdempotencyKey {
            key: key.into(),
            fingerprint: [1; 16],
        }),
        wait: Duration::from_secs(10),
    }
}

async fn not_served(shop: &Shop) {
    let begun = Instant::now();
    let refused = product(shop, "ANY", 1).await.unwrap_err();
    assert_eq!(refused, ProductsError::Unavailable(Unavailable::NotServing));
    let took = begun.elapsed();
    assert!(
        took >= ROUTE_WAIT_MAX && took < ROUTE_WAIT_MAX * 3,
        "{took:?}"
    );
}

#[test]
fn orders_are_placed_through_another_node() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, _) = two(dir.path()).await;
        let scarce = product(&gateway, "SCARCE", 2).await.unwrap();
        assert_eq!(
            product(&gateway, "SCARCE", 2).await,
            Err(ProductsError::SkuTaken)
        );

        let placed = gateway
            .orders
            .place(order(scarce, Some("a")))
            .await
            .unwrap();
        assert_eq!(placed.order.status, OrderStatus::Confirmed, "at rest");
        assert!(!placed.replayed);
        let again = gateway
            .orders
            .place(order(scarce, Some("a")))
            .await
            .unwrap();
        assert!(again.replayed && again.order.id == placed.order.id);
        let mut other = order(scarce, Some("a"));
        other.idempotency.as_mut().unwrap().fingerprint = [2; 16];
        assert_eq!(
            gateway.orders.place(other).await.unwrap_err(),
            OrdersError::KeyReused
        );
        let mut hasty = order(scarce, None);
        hasty.wait = Duration::ZERO;
        let hasty = gateway.orders.place(hasty).await.unwrap();
        assert_eq!(hasty.order.status, OrderStatus::Created, "as it was made");
        let settled = gateway.orders.shards.watch(
            hasty.order.id.shard(),
            hasty.order.id.get(),
            Duration::from_secs(5),
        );
        let settled = settled.await.map(|order| order.status);
        assert!(settled.is_none_or(|status| status == OrderStatus::Confirmed));
        let short = gateway.orders.place(order(scarce, None)).await.unwrap();
        assert_eq!(short.order.status, OrderStatus::Rejected);

        let cancelled = gateway.orders.cancel(short.order.id, CancelledBy::Customer);
        assert_eq!(
            cancelled.await.unwrap_err(),
            OrdersError::NotCancellable {
                status: OrderStatus::Rejected
            }
        );
        let cancelled = gateway.orders.cancel(placed.order.id, CancelledBy::Admin);
        assert_eq!(cancelled.await.unwrap().status, OrderStatus::Cancelled);
        node.running.stop(Duration::from_secs(10)).await;
    });
}

/// HTTP/2 gives a connection up after about a thousand streams that one side broke off, and all calls of it with it.
#[test]
fn callers_who_do_not_wait_break_no_connection() {
    const CALLERS: usize = 2_500;
    const AT_ONCE: usize = 50;
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, _) = two(dir.path()).await;
        let plenty = product(&gateway, "PLENTY", 1_000_000).await.unwrap();
        let waits = [Duration::ZERO, Duration::from_micros(200)];
        for first in (0..CALLERS).step_by(AT_ONCE) {
            let calls = (first..first + AT_ONCE).map(|number| {
                let order = PlaceOrder {
                    wait: waits[number % 2],
                    ..order(plenty, None)
                };
                let placing = gateway.orders.place(order);
                async move {
                    if number % 10 == 9 {
                        // Goes away while the call is under way.
                        let _ = tokio::time::timeout(Duration::from_micros(300), placing).await;
                    } else {
                        placing.await.unwrap();
                    }
                }
            });
            futures::future::join_all(calls).await;
        }
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn accounts_and_stock_are_kept_through_another_node() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, _) = two(dir.path()).await;
        let registration = || Registration {
            username: "ann".parse().unwrap(),
            email: Some("ann@example.com".into()),
            password: "a password".to_owned(),
            role: Role::Customer,
        };
        let user = gateway.auth.register(registration()).await.unwrap();
        assert_eq!(
            gateway.auth.register(registration()).await.unwrap_err(),
            AuthError::UsernameTaken
        );
        let tokens = gateway
            .auth
            .login("ann", "a password".to_owned())
            .await
            .unwrap();
        assert!(gateway.auth.refresh(&tokens.refresh_token).await.is_ok());
        assert_eq!(
            gateway.auth.refresh(&tokens.refresh_token).await.err(),
            Some(AuthError::InvalidRefreshToken),
            "it was exchanged"
        );

        let shirt = product(&gateway, "SHIRT", 5).await.unwrap();
        let adjustment = |delta| StockAdjustment {
            delta,
            reason: "counted".into(),
            by: user.id,
            idempotency: None,
        };
        let adjusted = gateway
            .products
            .adjust(shirt, adjustment(-3))
            .await
            .unwrap();
        assert_eq!(adjusted.product.stock.available, 2);
        assert_eq!(
            gateway
                .products
                .adjust(shirt, adjustment(-3))
                .await
                .unwrap_err(),
            ProductsError::InsufficientStock { available: 2 }
        );
        let parked = gateway.system.orders.deal_with_parked(
            1,
            1,
            crate::runtime::messages::ParkedAction::Retry,
        );
        assert_eq!(parked.await, Err(ParkedError::NotFound));
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn another_clusters_node_is_not_let_in() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, _, directory) = two(dir.path()).await;
        let stranger = gateway(&node.shop, directory, "another key");
        let refused = product(&stranger, "SHIRT", 5).await.unwrap_err();
        assert_eq!(refused, ProductsError::Unavailable(Unavailable::NotServing));
        assert!(
            product(&node.shop, "SHIRT", 5).await.is_ok(),
            "nothing was made"
        );
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn a_dead_peer_is_waited_for_and_then_not_serving() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, directory) = two(dir.path()).await;
        // A port that nobody listens on.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = url(free.local_addr().unwrap());
        drop(free);
        directory.put_node("server", &dead, Duration::ZERO);
        gateway
            .orders
            .shards
            .cluster()
            .unwrap()
            .directory
            .refresh()
            .await;
        not_served(&gateway).await;

        // It comes back while somebody waits.
        let making = product(&gateway, "SHIRT", 5);
        let returning = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            directory.put_node("server", &node.address, Duration::ZERO);
        };
        let (made, ()) = futures::future::join(making, returning).await;
        assert!(made.is_ok(), "{made:?}");
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn a_frozen_peer_is_noticed_and_nobody_knows_what_it_did() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, directory) = two(dir.path()).await;
        // It accepts, by its backlog, and never says a word.
        let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
        directory.put_node("server", &url(frozen.local_addr().unwrap()), Duration::ZERO);
        gateway
            .orders
            .shards
            .cluster()
            .unwrap()
            .directory
            .refresh()
            .await;
        let begun = Instant::now();
        let unknown = product(&gateway, "SHIRT", 5).await.unwrap_err();
        assert_eq!(
            unknown,
            ProductsError::Unavailable(Unavailable::CommitFailed)
        );
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{:?}",
            begun.elapsed()
        );
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn a_former_owner_refuses_and_names_the_new_one() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, _, new_directory) = two(dir.path()).await;
        // It has no shard of its own, and knows who has.
        let (hand_over, _) = mpsc::channel(1);
        let former = gateway(&node.shop, new_directory.clone(), KEY);
        let at_former = &former.orders.shards.cluster().unwrap().directory;
        at_former.refresh().await;
        let former = serve(ShardServer::new(&former, ClusterSecret::of(KEY), hand_over)).await;

        // The directory of this one stays out of date.
        let old_directory = Arc::new(FakeDirectory::default());
        old_directory.put_node("former", &former, Duration::ZERO);
        old_directory.put_owner_of_all(Some("former"));
        let gateway = gateway(&node.shop, old_directory.clone(), KEY);
        let shirt = product(&gateway, "SHIRT", 5).await.unwrap();
        let placed = gateway.orders.place(order(shirt, None)).await.unwrap();
        assert_eq!(placed.order.status, OrderStatus::Confirmed);

        // A former owner that knows nobody makes the caller look again.
        new_directory.put_owner_of_all(None);
        at_former.refresh().await;
        let making = product(&gateway, "SHOE", 5);
        let claiming = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            old_directory.put_node("server", &node.address, Duration::ZERO);
            old_directory.put_owner_of_all(Some("server"));
        };
        let (made, ()) = futures::future::join(making, claiming).await;
        assert!(made.is_ok(), "{made:?}");
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn a_shard_is_asked_for_and_given_up() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (mut node, gateway, _) = two(dir.path()).await;
        let peers = gateway.orders.shards.cluster().unwrap().peers.clone();
        let shard = ShardRef {
            domain: Domain::Orders,
            shard: 1,
        };
        let owner = async {
            let request = node.requests.recv().await.unwrap();
            assert_eq!((request.shard, request.to.as_str()), (shard, "gateway"));
            request.done.send(()).unwrap();
            // The next one is not carried out.
            drop(node.requests.recv().await.unwrap());
        };
        let asking = async {
            let given_up = peers.hand_over(&node.address, shard, "gateway").await;
            assert_eq!(given_up, Ok(()));
            let kept = peers.hand_over(&node.address, shard, "gateway").await;
            assert_eq!(kept, Err(Failure::Unavailable(Unavailable::Restarted)));
        };
        futures::future::join(owner, asking).await;
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn faults_reach_every_node() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (node, gateway, _) = two(dir.path()).await;
        let cluster = gateway.orders.shards.cluster().unwrap();
        cluster.directory.refresh().await;
        let decisions = crate::system::Decisions {
            actor: "product".to_owned(),
            id: None,
            matching: None,
            times: None,
        };
        let fault = crate::system::Fault::Panic { decisions };
        gateway.system.inject(fault, None).await.unwrap();
        assert!(
            product(&node.shop, "SHIRT", 5).await.is_err(),
            "its actor panics"
        );
        gateway.system.clear_faults().await.unwrap();
        assert!(
            product(&node.shop, "SHIRT", 5).await.is_ok(),
            "that is over"
        );
        node.running.stop(Duration::from_secs(10)).await;
    });
}

#[test]
fn a_node_whose_own_configuration_does_not_allow_faults_takes_none() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let node = node_that(dir.path(), false).await;
        let peers = Peers::new(&ClusterSecret::of(KEY));
        let refused = Err(Failure::Unavailable(Unavailable::NotServing));
        let injected =
            peers.inject_fault(&node.address, r#"{"kind":"exit","after_ms":0}"#.to_owned());
        assert_eq!(injected.await, refused);
        assert_eq!(peers.clear_faults(&node.address).await, refused);
        let fault = crate::system::Fault::Exit { after_ms: 0 };
        let injected = node.shop.system.inject(fault, None).await;
        assert_eq!(injected, Err(crate::system::FaultError::NotAllowed));
        assert!(product(&node.shop, "SHIRT", 5).await.is_ok());
        node.running.stop(Duration::from_secs(10)).await;
    });
}

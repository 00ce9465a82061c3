//! Whatever follows from a client's request says so: its own records, those of other shards that answer it, and those
//! that follow from these.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actors::{
    Config, Stores, auth::new_signing_key, orders::PlaceOrder, products::NewProduct, start,
    system::Phase, trace,
};
use domain::{
    Currency, Money, OrderId, ProductId, Quantity, ShardRef, Timestamp, Topology, UserId,
    orders::{Order, RequestedLine},
    products::Product,
    users::User,
};
use engine::Head;
use storage::{
    Batch, Journal, Key, KeyRecord, ParkedRow, StorageError, StoredRecord, TraceContext,
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};
use tonic::async_trait;

type Result<T> = std::result::Result<T, StorageError>;

/// A journal on SQLite, with a list of what was committed: SQLite itself forgets where records go back to.
struct Watched {
    store: Arc<SqliteStore>,
    committed: Mutex<Vec<(&'static str, Option<TraceContext>)>>,
}

#[async_trait]
impl Journal for Watched {
    async fn claim(
        &self,
        shard: ShardRef,
        owner: &str,
        expected: Option<u64>,
    ) -> Result<Head<ShardRef>> {
        self.store.claim(shard, owner, expected).await
    }

    async fn commit(&self, batch: &Arc<Batch>) -> Result<()> {
        self.store.commit(batch).await?;
        let records = batch.commits.iter().flat_map(|commit| &commit.records);
        let mut committed = self.committed.lock().unwrap();
        committed.extend(records.map(|record| (record.payload.event_type, record.payload.trace)));
        Ok(())
    }

    async fn read_link(
        &self,
        source: ShardRef,
        target: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<StoredRecord>, bool)> {
        self.store.read_link(source, target, after, limit).await
    }

    async fn read(&self, source: ShardRef, after: u64, limit: usize) -> Result<Vec<StoredRecord>> {
        self.store.read(source, after, limit).await
    }

    async fn heads(&self, shards: &[ShardRef]) -> Result<Vec<(ShardRef, Head<ShardRef>)>> {
        self.store.heads(shards).await
    }

    async fn load_orders(&self, ids: &[OrderId]) -> Result<Vec<(Order, u64)>> {
        self.store.load_orders(ids).await
    }

    async fn load_products(&self, ids: &[ProductId]) -> Result<Vec<(Product, u64)>> {
        self.store.load_products(ids).await
    }

    async fn load_users(&self, ids: &[UserId]) -> Result<Vec<(User, u64)>> {
        self.store.load_users(ids).await
    }

    async fn find_keys(&self, keys: &[Key]) -> Result<Vec<KeyRecord>> {
        self.store.find_keys(keys).await
    }

    async fn purge_keys(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.store.purge_keys(now, limit).await
    }

    async fn parked(&self, shard: ShardRef) -> Result<Vec<ParkedRow>> {
        self.store.parked(shard).await
    }
}

#[test]
fn every_record_goes_back_to_its_request() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let topology = Topology::uniform(2);
        let store = SqliteStore::open(dir.path(), &topology, OpenMode::CreateIfMissing)
            .await
            .unwrap();
        let store = Arc::new(store);
        let journal = Arc::new(Watched {
            store: store.clone(),
            committed: Mutex::default(),
        });
        let config = Config {
            node: "test".to_owned(),
            topology,
            shard_threads: 1,
            password_threads: 1,
            signing_key_pem: new_signing_key().unwrap(),
            faults_allowed: false,
            on_fatal: Arc::new(|reason| panic!("{reason}")),
        };
        let stores = Stores {
            journal: journal.clone(),
            views: store,
            activity: Arc::new(SqliteActivityLog::open(dir.path()).await.unwrap()),
            #[cfg(feature = "fault-injection")]
            faults: Arc::new(|_| Box::pin(async {})),
        };
        let (shop, running) = start(config, stores).unwrap();
        while shop.system.readiness().phase != Phase::Serving {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let product = NewProduct {
            sku: "SHIRT".parse().unwrap(),
            name: "Shirt".into(),
            description: "".into(),
            price: Money::price(500, Currency::EUR).unwrap(),
            stock: 1,
        };
        let product = shop.products.create(product).await.unwrap();
        let order = PlaceOrder {
            user_id: UserId::new(1).unwrap(),
            lines: vec![RequestedLine {
                product_id: product.id,
                quantity: Quantity::new(1).unwrap(),
            }],
            idempotency: None,
            wait: Duration::from_secs(10),
        };
        let request = TraceContext {
            trace_id: [7; 16],
            span_id: [9; 8],
        };
        trace::within(request, shop.orders.place(order))
            .await
            .unwrap();

        let recorded = "notification.recorded.v1";
        loop {
            let mut committed = journal.committed.lock().unwrap().clone();
            if committed.iter().any(|(kind, _)| *kind == recorded) {
                // What is committed in one transaction comes shard by shard.
                committed.sort_by_key(|(kind, _)| *kind);
                let expected = [
                    (recorded, Some(request)),
                    ("order.confirmed.v1", Some(request)),
                    ("order.created.v1", Some(request)),
                    ("product.created.v1", None),
                    ("stock.reserved.v1", Some(request)),
                ];
                assert_eq!(committed, expected);
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.stop(Duration::from_secs(10)).await;
    });
}

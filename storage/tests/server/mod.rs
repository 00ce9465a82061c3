//! What is particular to a server that many share.

mod directory;
mod faults;
mod opening;
mod ownership;
mod restart;
mod writing;

use std::{
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::orders::OrderStatus;
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use storage::{
    Batch, Journal, RowWrites, StorageError,
    postgres::{PostgresOptions, PostgresStore, migrate},
};

use crate::contract::fixtures::*;

pub(crate) const URL: &str = "STAMPEDE_TEST_POSTGRES_URL";

/// Deletes everything but what migrations write.
const EMPTY: &str = "DO $$ DECLARE name text; BEGIN \
     FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
       WHERE schemaname IN ('auth', 'orders', 'products', 'notifications') \
       AND tablename NOT IN ('meta', 'migration', 'incarnation') \
     LOOP EXECUTE 'DELETE FROM ' || name; END LOOP; END $$";

/// Databases of one test, gone when it is dropped.
pub(crate) struct Databases {
    server: String,
    names: Mutex<Vec<String>>,
    shared: tokio::sync::OnceCell<String>,
}

impl Databases {
    pub(crate) fn new() -> Self {
        let server = std::env::var(URL).unwrap_or_else(|_| {
            panic!("{URL} is not set; `scripts/services up postgres` starts a server and `scripts/services env` tells")
        });
        Self {
            server,
            names: Mutex::default(),
            shared: tokio::sync::OnceCell::new(),
        }
    }

    /// The URL of another, empty database.
    pub(crate) async fn next(&self) -> String {
        static NTH: AtomicUsize = AtomicUsize::new(0);
        let nth = NTH.fetch_add(1, Ordering::Relaxed);
        let name = format!("stampede_test_{}_{nth}", std::process::id());
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!(
            "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        )))
        .execute(&mut connection)
        .await
        .unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let url = PgConnectOptions::from_str(&self.server).unwrap();
        let url = sqlx::ConnectOptions::to_url_lossy(&url.database(&name));
        self.names.lock().unwrap().push(name);
        url.to_string()
    }

    /// An empty store of [`TOPOLOGY`] in the one database of a suite: to make another database takes longer than most tests.
    pub(crate) async fn emptied(&self) -> PostgresStore {
        let url = self.shared.get_or_init(|| self.next()).await;
        let store = open(options(url)).await;
        run(url, EMPTY).await;
        store
    }

    /// A new, empty store of [`TOPOLOGY`].
    pub(crate) async fn store(&self) -> PostgresStore {
        open(options(&self.next().await)).await
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let (server, names) = (
            self.server.clone(),
            std::mem::take(self.names.get_mut().unwrap()),
        );
        // The runtime of the test cannot wait here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                for name in names {
                    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut connection)
                        .await;
                }
            });
        });
        let _ = dropping.join();
    }
}

pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        connections: 4,
        topology: Some(TOPOLOGY),
        ..PostgresOptions::new(url)
    }
}

/// Migrates and opens.
pub(crate) async fn open(options: PostgresOptions) -> PostgresStore {
    migrate(&options, &TOPOLOGY, || "a key".to_owned())
        .await
        .unwrap();
    PostgresStore::open(options).await.unwrap()
}

/// A connection of the test's own.
pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Does something with the database behind the store's back.
pub(crate) async fn run(url: &str, sql: &'static str) {
    sqlx::raw_sql(sql)
        .execute(&mut connect(url).await)
        .await
        .unwrap();
}

/// A batch that places the nth order of shard 1.
pub(crate) fn placing(pen: &mut Pen, nth: u32) -> Arc<Batch> {
    let id = order_id(1, nth);
    let rows = RowWrites {
        orders: vec![(order(id, 5, OrderStatus::Created), 1)],
        keys: vec![taken(&key(orders(1), &format!("5:{nth}")), id.get(), None)],
        ..RowWrites::default()
    };
    let records = vec![(record(id.get(), 1), vec![products(1)])];
    pen.batch(vec![turn(orders(1), records)], rows)
}

pub(crate) async fn place(
    pen: &mut Pen,
    journal: &impl Journal,
    nth: u32,
) -> Result<(), StorageError> {
    let batch = placing(pen, nth);
    journal.commit(&batch).await
}

/// The text of a refusal.
pub(crate) fn mismatch(outcome: Result<impl std::fmt::Debug, StorageError>) -> String {
    match outcome {
        Err(StorageError::Mismatch(text)) => text,
        other => panic!("expected a mismatch, got {other:?}"),
    }
}

//! A server, databases in it, and what is particular to it.

mod auditing;
mod expiry;
mod outages;
mod writing;

use std::{
    env, process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use domain::{Domain, ShardRef};
use mongodb::{Client, Database};
use storage::{
    ActivityEntry, ActivityLog, ActivityQuery, Incarnations, Level, NewActivity,
    mongo::{MongoActivityLog, MongoOptions},
};

use crate::contract::fixtures::*;

const URL_VARIABLE: &str = "STAMPEDE_TEST_MONGODB";
/// The shards of the contract's topology.
const SHARDS: u16 = 16;

static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// The server, and databases in it that nobody else uses. A test that fails leaves its databases to be looked at.
pub(crate) struct Server {
    url: String,
    prefix: String,
    made: AtomicUsize,
    client: Client,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let url = env::var(URL_VARIABLE)
            .unwrap_or_else(|_| panic!("{URL_VARIABLE} is not set: run scripts/services up"));
        #[allow(
            clippy::disallowed_methods,
            reason = "a name that no earlier run has used"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let nth = SERVERS.fetch_add(1, Ordering::Relaxed);
        Self {
            prefix: format!("test_{}_{}_{nth}", process::id(), now.as_millis()),
            made: AtomicUsize::new(0),
            client: Client::with_uri_str(&url).await.unwrap(),
            url,
        }
    }

    /// The name of another database, which is not made.
    pub(crate) fn next_database(&self) -> String {
        let nth = self.made.fetch_add(1, Ordering::Relaxed);
        format!("{}_{nth}", self.prefix)
    }

    /// A log in that database, with connections of its own.
    pub(crate) async fn log(&self, database: &str) -> MongoActivityLog {
        self.log_with(options(database)).await
    }

    pub(crate) async fn log_with(&self, options: MongoOptions) -> MongoActivityLog {
        MongoActivityLog::open(&self.url, options).await.unwrap()
    }

    pub(crate) fn database(&self, name: &str) -> Database {
        self.client.database(name)
    }

    /// Drops its databases.
    pub(crate) async fn clean(self) {
        for nth in 0..self.made.load(Ordering::Relaxed) {
            let name = format!("{}_{nth}", self.prefix);
            self.client.database(&name).drop().await.unwrap();
        }
    }
}

/// The first incarnation of every shard, and nothing else of note.
pub(crate) fn options(database: &str) -> MongoOptions {
    options_in(database, Incarnations::new(first_lives()))
}

fn options_in(database: &str, incarnations: Incarnations) -> MongoOptions {
    MongoOptions {
        database: database.to_owned(),
        ..MongoOptions::new(Arc::new(incarnations))
    }
}

fn first_lives() -> impl Iterator<Item = (ShardRef, u64, String)> {
    [Domain::Orders, Domain::Products]
        .into_iter()
        .flat_map(|domain| (0..SHARDS).map(move |shard| ShardRef { domain, shard }))
        .map(|shard| (shard, 1, "first".to_owned()))
}

fn entry(source: Option<(ShardRef, u64)>, message: &str) -> NewActivity {
    NewActivity {
        source,
        time: NOW,
        level: Level::Info,
        service: "orders",
        event_type: "order.created.v1".to_owned(),
        order_id: None,
        message: message.to_owned(),
    }
}

/// The entries of these positions of a shard.
fn entries(shard: ShardRef, positions: impl IntoIterator<Item = u64>) -> Vec<NewActivity> {
    positions
        .into_iter()
        .map(|position| entry(Some((shard, position)), &format!("{shard}:{position}")))
        .collect()
}

/// Every entry, newest first, each with a number of its own.
async fn everything(log: &MongoActivityLog) -> Vec<ActivityEntry> {
    let query = ActivityQuery {
        limit: 100_000,
        ..ActivityQuery::default()
    };
    let rows = log.search(&query).await.unwrap().rows;
    assert!(rows.is_sorted_by(|newer, older| newer.id > older.id));
    rows
}

/// The messages of all entries, sorted.
async fn messages(log: &MongoActivityLog) -> Vec<String> {
    let mut messages: Vec<_> = everything(log)
        .await
        .into_iter()
        .map(|row| row.message)
        .collect();
    messages.sort();
    messages
}

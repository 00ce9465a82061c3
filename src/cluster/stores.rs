//! Opens the stores of a cluster.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use domain::{Domain, Topology};
use storage::{
    Incarnations, StorageError,
    mongo::{MongoActivityLog, MongoOptions},
    postgres::{PostgresOptions, PostgresStore},
};

use super::wait::{Tried, until_up};
use crate::config::{ClusterConfig, Mongodb};

/// How PostgreSQL is reached.
pub(crate) fn postgres_options(config: &ClusterConfig) -> PostgresOptions {
    let postgres = &config.postgres;
    let own = [
        Domain::Auth,
        Domain::Orders,
        Domain::Products,
        Domain::Notifications,
    ]
    .map(|domain| (domain, postgres.url_of(domain).expose().to_owned()));
    let default_url = postgres.url.expose().to_owned();
    let urls: BTreeMap<Domain, String> = own
        .into_iter()
        .filter(|(_, url)| *url != default_url)
        .collect();
    PostgresOptions {
        urls,
        connections: postgres.connections,
        connect_timeout: postgres.connect_timeout,
        statement_timeout: postgres.statement_timeout,
        topology: config.shards_expected.map(Topology::uniform),
        application_name: format!("stampede {}", config.node.name),
        ..PostgresOptions::new(default_url)
    }
}

/// Opens PostgreSQL; waits for it if it is not up yet.
pub(crate) async fn open_postgres(config: &ClusterConfig) -> Result<Arc<PostgresStore>> {
    let options = postgres_options(config);
    let store = until_up("PostgreSQL (postgres.url)", config.startup.wait, || async {
        tried(PostgresStore::open(options.clone()).await)
    });
    Ok(Arc::new(store.await?))
}

/// What a try at a store came to.
pub(super) fn tried<T>(result: Result<T, StorageError>) -> Tried<T, StorageError> {
    match result {
        Ok(opened) => Tried::Done(opened),
        Err(error @ StorageError::Unavailable(_)) => Tried::NotYet(error),
        Err(error) => Tried::Never(error),
    }
}

/// Opens the activity log. Its server need not be up: orders go on without it.
pub(crate) async fn open_activity(
    mongodb: &Mongodb,
    incarnations: Arc<Incarnations>,
) -> Result<MongoActivityLog> {
    MongoActivityLog::open(mongodb.url.expose(), mongo_options(mongodb, incarnations))
        .await
        .context("the activity log in MongoDB cannot be used (mongodb.url)")
}

/// How MongoDB is used.
pub(crate) fn mongo_options(mongodb: &Mongodb, incarnations: Arc<Incarnations>) -> MongoOptions {
    MongoOptions {
        database: mongodb.database.clone(),
        retention: mongodb.retention,
        ..MongoOptions::new(incarnations)
    }
}

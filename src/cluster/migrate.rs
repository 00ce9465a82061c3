//! `stampede migrate`: makes or upgrades what a cluster needs in its servers.

use std::process::ExitCode;

use actors::transport::kafka::{TopicsError, topics};
use anyhow::{Context, Result};
use domain::Topology;
use storage::postgres::{self, PostgresOptions, PostgresStore};

use super::{
    kafka_config,
    stores::{postgres_options, tried},
    wait::{Tried, until_up},
};
use crate::{
    config::{self, ClusterArgs, ClusterConfig, Role},
    output::say,
};

/// Creates or upgrades the schemas in PostgreSQL and the topics in Kafka. Safe to repeat, also while nodes run.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Migrates, and says what was done.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let config = config::load(Role::Migrate, &args.cluster)?;
    let wait = config.startup.wait;
    let options = postgres_options(&config);
    let signing_key_pem = match &config.auth.signing_key_pem {
        Some(pem) => pem.expose().to_owned(),
        None => actors::auth::new_signing_key()?,
    };
    let migrated = until_up("PostgreSQL (postgres.url)", wait, || async {
        let topology = topology(&config, &options).await;
        tried(postgres::migrate(&options, &topology, || signing_key_pem.clone()).await)
    })
    .await?;
    for step in &migrated.applied {
        say(format_args!("PostgreSQL: {step}"));
    }
    say(format_args!(
        "PostgreSQL: schemas are up to date, {} shards a domain",
        migrated.topology.orders
    ));
    let kafka = config.kafka.as_ref().context("kafka.brokers is not set")?;
    let kafka = kafka_config(kafka, "stampede-migrate");
    until_up("Kafka (kafka.brokers)", wait, || async {
        match topics::ensure(&kafka, &migrated.topology).await {
            Ok(()) => Tried::Done(()),
            Err(error @ TopicsError::Unavailable(_)) => Tried::NotYet(error),
            Err(error) => Tried::Never(error),
        }
    })
    .await?;
    say("Kafka: topics are there");
    Ok(ExitCode::SUCCESS)
}

/// The numbers of shards: those asked for; where nobody asks, those that the cluster has, and the default for a new one.
async fn topology(config: &ClusterConfig, options: &PostgresOptions) -> Topology {
    if config.shards_expected.is_none()
        && let Ok(store) = PostgresStore::open(options.clone()).await
    {
        return *store.topology();
    }
    Topology::uniform(config.shards)
}

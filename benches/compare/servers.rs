//! Where the servers are, as `scripts/services env` tells.

use std::env;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;

/// The servers.
#[derive(Debug)]
pub(crate) struct Servers {
    /// A role that may create databases.
    pub(crate) postgres: PgConnectOptions,
    /// The same as a URL, with its password.
    pub(crate) postgres_url: String,
    /// HOST:PORT.
    pub(crate) kafka: String,
    /// A URL.
    pub(crate) mongodb: String,
    /// Names and process ids of those that run on this machine.
    pub(crate) processes: Vec<(&'static str, u32)>,
}

impl Servers {
    /// Those that the variables name.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            env::var(name).with_context(|| format!("{name} is not set; see scripts/services env"))
        };
        let postgres_url = variable("STAMPEDE_TEST_POSTGRES_URL")?;
        let processes = [
            ("PostgreSQL", "STAMPEDE_TEST_POSTGRES_PID"),
            ("Kafka", "STAMPEDE_TEST_KAFKA_PID"),
            ("MongoDB", "STAMPEDE_TEST_MONGODB_PID"),
        ];
        Ok(Self {
            postgres: postgres_url
                .parse()
                .context("the URL of PostgreSQL cannot be understood")?,
            postgres_url,
            kafka: variable("STAMPEDE_TEST_KAFKA")?,
            mongodb: variable("STAMPEDE_TEST_MONGODB")?,
            processes: processes
                .into_iter()
                .filter_map(|(name, variable)| Some((name, env::var(variable).ok()?.parse().ok()?)))
                .collect(),
        })
    }
}

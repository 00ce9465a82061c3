//! A PostgreSQL database of one round, dropped at its end.

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::runtime::Runtime;

use crate::servers::Servers;

/// A database of its own. Dropping it drops it in the server, whoever is connected.
pub(crate) struct Database {
    admin: PgConnectOptions,
    name: String,
    /// Dropping needs one, and may come at any time.
    runtime: Runtime,
}

impl Database {
    /// Creates an empty one.
    pub(crate) fn create(servers: &Servers, name: &str) -> anyhow::Result<Self> {
        let database = Self {
            admin: servers.postgres.clone(),
            name: name.to_owned(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        };
        let create = run(&database.admin, format!("CREATE DATABASE {name}"));
        database
            .runtime
            .block_on(create)
            .context("PostgreSQL does not create a database")?;
        Ok(database)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it is reached.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.admin.clone().database(&self.name)
    }

    /// The same as a URL, with its password.
    pub(crate) fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    /// Waits for something that speaks with it.
    pub(crate) fn wait_for<T>(
        &self,
        future: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        self.runtime.block_on(future)
    }

    /// Runs statements in it.
    pub(crate) fn run(&self, sql: impl Into<String>) -> anyhow::Result<()> {
        self.runtime.block_on(run(&self.options(), sql.into()))
    }

    /// Brings what was written before to the data files, so that it burdens nothing that is measured after.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        self.run("CHECKPOINT")
    }
}

async fn run(options: &PgConnectOptions, sql: String) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = self.runtime.block_on(run(&self.admin, sql)) {
            eprintln!("the database {} is left behind: {error:#}", self.name);
        }
    }
}

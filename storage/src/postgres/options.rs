//! Where the databases are, and how they are used.

use std::{collections::BTreeMap, time::Duration};

use domain::{Domain, Topology};

/// Connections to one database, if nothing else is asked for.
const CONNECTIONS: u32 = 16;
/// How long is waited for a connection, if nothing else is asked for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement may take, if nothing else is asked for.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How the store is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The default database, `postgres://user:password@host:port/name`.
    pub url: String,
    /// The databases of those domains that have one of their own. Domains with the same text share their connections.
    pub urls: BTreeMap<Domain, String>,
    /// Connections to each database, at most.
    pub connections: u32,
    /// How long is waited for a connection, be it a new one or one that is in use.
    pub connect_timeout: Duration,
    /// How long a statement may take. The server ends those that take longer.
    pub statement_timeout: Duration,
    /// The numbers of shards that the store must have; whatever it has if `None`.
    pub topology: Option<Topology>,
    /// What the server's list of connections calls this program.
    pub application_name: String,
}

impl PostgresOptions {
    /// Everything in the database with this URL, and otherwise as most want it.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            urls: BTreeMap::new(),
            connections: CONNECTIONS,
            connect_timeout: CONNECT_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            topology: None,
            application_name: "stampede".to_owned(),
        }
    }

    /// The URL of the database in which a domain has its schema.
    #[must_use]
    pub fn url_of(&self, domain: Domain) -> &str {
        self.urls.get(&domain).unwrap_or(&self.url)
    }

    /// The different databases, the default one first.
    pub(super) fn databases(&self) -> Vec<&str> {
        let mut databases = vec![self.url.as_str()];
        for url in self.urls.values() {
            if !databases.contains(&url.as_str()) {
                databases.push(url);
            }
        }
        databases
    }
}

/// URLs hold passwords and are left out.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("topology", &self.topology)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

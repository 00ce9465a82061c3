//! The servers that a cluster stands on, and proxies before them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;

use super::{action::Server, proxy::Proxy};
use crate::{
    config::{self, ClusterArgs, Role},
    output::complain,
};

/// The servers to stand on.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct ServersArgs {
    /// PostgreSQL, with a role that may create databases.
    #[arg(
        long,
        value_name = "URL",
        env = "STAMPEDE_TEST_POSTGRES_URL",
        hide_env_values = true
    )]
    postgres_url: Option<String>,
    /// A broker of Kafka.
    #[arg(long, value_name = "HOST:PORT", env = "STAMPEDE_TEST_KAFKA")]
    kafka: Option<String>,
    /// MongoDB, or a server that speaks its protocol.
    #[arg(
        long,
        value_name = "URL",
        env = "STAMPEDE_TEST_MONGODB",
        hide_env_values = true
    )]
    mongodb_url: Option<String>,
}

/// Where the servers are.
pub(super) struct Servers {
    pub(super) postgres: PgConnectOptions,
    pub(super) kafka: String,
    pub(super) mongodb: String,
}

/// Those that are meant: of a configuration, else of flags.
pub(super) fn servers(args: &ServersArgs, cluster: &ClusterArgs) -> Result<Servers> {
    let is_configured = cluster.config.is_some() || !cluster.set.is_empty();
    let configured = match is_configured {
        true => Some(config::load(Role::Migrate, cluster)?),
        false => None,
    };
    let configured = configured.as_ref();
    let postgres = configured
        .map(|config| config.postgres.url.expose().to_owned())
        .or_else(|| args.postgres_url.clone())
        .context("a cluster needs PostgreSQL: --postgres-url or --config")?;
    let kafka = configured
        .and_then(|config| config.kafka.as_ref()?.brokers.first().cloned())
        .or_else(|| args.kafka.clone())
        .context("a cluster needs Kafka: --kafka or --config")?;
    let mongodb = configured
        .and_then(|config| Some(config.mongodb.as_ref()?.url.expose().to_owned()))
        .or_else(|| args.mongodb_url.clone())
        .context("a cluster needs MongoDB: --mongodb-url or --config")?;
    Ok(Servers {
        postgres: postgres.parse().context("the URL of PostgreSQL")?,
        kafka,
        mongodb,
    })
}

/// A proxy before each server whose connections can be led through one.
pub(super) async fn proxies(servers: &Servers) -> Result<BTreeMap<Server, Proxy>> {
    let postgres = &servers.postgres;
    let postgres = format!("{}:{}", postgres.get_host(), postgres.get_port());
    let mut proxies = BTreeMap::new();
    proxies.insert(Server::Postgres, Proxy::start(&postgres).await?);
    match servers.kafka.split(':').next() {
        Some("127.0.0.1" | "localhost") => {
            let proxy = Proxy::start_for_kafka(&servers.kafka).await?;
            proxies.insert(Server::Kafka, proxy);
        }
        _ => complain("kafka is on another machine: its connections are left alone"),
    }
    match place_of(&servers.mongodb) {
        Some(place) => {
            proxies.insert(Server::Mongodb, Proxy::start(&place).await?);
        }
        None => complain("mongodb has several servers: their connections are left alone"),
    }
    Ok(proxies)
}

/// HOST:PORT of a URL with one of them.
fn place_of(mongodb_url: &str) -> Option<String> {
    let rest = mongodb_url.strip_prefix("mongodb://")?;
    let authority = rest.split(['/', '?']).next()?;
    let place = authority.rsplit('@').next()?;
    match (place.contains(','), place.contains(':')) {
        (true, _) => None,
        (false, true) => Some(place.to_owned()),
        (false, false) => Some(format!("{place}:27017")),
    }
}

impl Servers {
    /// The same servers, reached through proxies.
    pub(super) fn through(&self, proxies: &BTreeMap<Server, Proxy>) -> Result<Self> {
        let port = |server| proxies.get(&server).map(Proxy::port);
        let postgres = match port(Server::Postgres) {
            Some(port) => self.postgres.clone().host("127.0.0.1").port(port),
            None => self.postgres.clone(),
        };
        let kafka = match (port(Server::Kafka), self.kafka.rsplit_once(':')) {
            (Some(port), Some((host, _))) => format!("{host}:{port}"),
            _ => self.kafka.clone(),
        };
        let mongodb = match (port(Server::Mongodb), place_of(&self.mongodb)) {
            (Some(port), Some(place)) => {
                let bare = place.trim_end_matches(":27017");
                let named = if self.mongodb.contains(&place) {
                    &place
                } else {
                    bare
                };
                self.mongodb
                    .replacen(named, &format!("127.0.0.1:{port}"), 1)
            }
            _ => self.mongodb.clone(),
        };
        Ok(Self {
            postgres,
            kafka,
            mongodb,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_place_of_a_document_store_is_read_from_its_url() {
        let place = |url| place_of(url);
        assert_eq!(place("mongodb://127.0.0.1:5/x?y=z").unwrap(), "127.0.0.1:5");
        assert_eq!(place("mongodb://a:b@host").unwrap(), "host:27017");
        assert_eq!(place("mongodb://one:1,two:2"), None);
        assert_eq!(place("mongodb+srv://host"), None);
    }
}

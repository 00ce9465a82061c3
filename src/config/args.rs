//! The flags: the last layer, which overrides all others.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{
    file::unknown,
    keys::{
        self, ALL, GATEWAY_HTTP, METRICS_LISTEN, NODE_ADDRESS, NODE_DOMAINS, NODE_LISTEN, NODE_NAME,
    },
    kind::Raw,
    layers::Layers,
    problem::Origin,
};

/// The flag that sets any key.
const SET: &str = "--set";

/// Flags that say which cluster is meant.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct ClusterArgs {
    /// The configuration file; stampede.example.toml has every key [env: STAMPEDE_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set a key, as `--set postgres.connections=8`; may be repeated. Other users of the machine can see it: no place
    /// for a secret.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Flags of a process that hosts shards.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct NodeArgs {
    /// Which cluster.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// The domains to host, separated by commas: auth, orders, products, notifications, logs.
    #[arg(long, value_name = "DOMAINS")]
    pub(crate) domains: Option<String>,
    /// Where gRPC is served; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where other processes reach the gRPC of this one.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// Where a node serves metrics; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<String>,
    /// The name of this process in the cluster.
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
}

/// Flags of a gateway.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct GatewayArgs {
    /// Of what it hosts.
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Where HTTP is served; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,
}

impl fmt::Debug for ClusterArgs {
    /// Without the values of `--set`, which may be secret against all advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.set.iter().map(|set| set.split_once('='));
        let keys: Vec<_> = set.map(|pair| pair.map(|(key, _)| key)).collect();
        f.debug_struct("ClusterArgs")
            .field("config", &self.config)
            .field("set", &keys)
            .finish()
    }
}

/// A flag of its own for a key: the flag, the key's name, the value if it is given.
type OwnFlag<'a> = (&'static str, &'static str, Option<&'a str>);

/// What [`load`](super::load) reads flags from.
pub(crate) trait Flags {
    /// The flags that say which cluster is meant.
    fn cluster(&self) -> &ClusterArgs;

    /// The flags that keys have of their own.
    fn own(&self) -> Vec<OwnFlag<'_>> {
        Vec::new()
    }

    /// The configuration file.
    fn file(&self) -> Option<&Path> {
        self.cluster().config.as_deref()
    }
}

impl Flags for ClusterArgs {
    fn cluster(&self) -> &ClusterArgs {
        self
    }
}

impl Flags for NodeArgs {
    fn cluster(&self) -> &ClusterArgs {
        &self.cluster
    }

    fn own(&self) -> Vec<OwnFlag<'_>> {
        vec![
            ("--domains", NODE_DOMAINS.path, self.domains.as_deref()),
            ("--listen", NODE_LISTEN.path, self.listen.as_deref()),
            ("--address", NODE_ADDRESS.path, self.address.as_deref()),
            ("--metrics", METRICS_LISTEN.path, self.metrics.as_deref()),
            ("--node-name", NODE_NAME.path, self.node_name.as_deref()),
        ]
    }
}

impl Flags for GatewayArgs {
    fn cluster(&self) -> &ClusterArgs {
        &self.node.cluster
    }

    fn own(&self) -> Vec<OwnFlag<'_>> {
        let mut own = self.node.own();
        own.push(("--http", GATEWAY_HTTP.path, self.http.as_deref()));
        own
    }
}

/// Reads the flags into a layer; a key's own flag overrides `--set`.
pub(super) fn read(args: &impl Flags, layers: &mut Layers) {
    for pair in &args.cluster().set {
        match pair.split_once('=') {
            Some((name, value)) => set(name.trim(), value, layers),
            // Not shown: what it is nobody knows.
            None => layers.problem(&format!("flag {SET}"), None, "must be KEY=VALUE".to_owned()),
        }
    }
    for (flag, name, value) in args.own() {
        if let (Some(key), Some(value)) = (keys::find(name), value) {
            layers.give_text(key, value, ',', Origin::Flag(flag));
        }
    }
}

fn set(name: &str, value: &str, layers: &mut Layers) {
    let origin = Origin::Flag(SET);
    if let Some(key) = keys::find(name) {
        layers.give_text(key, value, ',', origin);
        return;
    }
    let property = ALL.iter().find_map(|key| Some((*key, key.property(name)?)));
    match property {
        Some((key, property)) => {
            let raw = Raw::Properties([(property.to_owned(), value.to_owned())].into());
            layers.give(key, raw, origin);
        }
        None => unknown(name, origin, layers),
    }
}

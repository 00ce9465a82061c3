//! The configuration of the distributed roles: what `gateway`, `node`, `migrate`, `recover`, `audit` and `replay` are
//! told of the servers they work with.
//!
//! Four layers, each overriding the one before: built-in defaults, a file, environment variables, flags. `keys` is the
//! one table of everything that can be set: names, environment variables, bounds, defaults and the text of
//! `stampede.example.toml` come from it. Whatever is wrong is reported at once and together, each with the key, where
//! the value came from and what is allowed. What is marked secret is never shown, in no error and by no `Debug`.
//!
//! `layers` gathers what is given (`file`, `environment`, `args`), `reader` checks it, `sections` gives it types.

mod args;
mod environment;
#[cfg(test)]
mod example;
mod file;
mod keys;
mod kind;
mod layers;
mod machine;
mod nearest;
mod problem;
mod reader;
mod secret;
mod sections;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use self::{args::Flags, layers::Layers, machine::Machine, problem::ConfigError, reader::Reader};

pub(crate) use self::{
    args::{ClusterArgs, GatewayArgs, NodeArgs},
    secret::Properties,
    sections::{ClusterConfig, Kafka, Mongodb},
};

/// The variable that names the configuration file where `--config` does not.
const FILE_VARIABLE: &str = "STAMPEDE_CONFIG";

/// The command that asks; what must be given depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `stampede gateway`.
    Gateway,
    /// `stampede node`.
    Node,
    /// `stampede migrate`.
    Migrate,
    /// `stampede recover`.
    Recover,
    /// `stampede audit` of a cluster.
    Audit,
    /// `stampede replay` from a cluster.
    Replay,
    /// `stampede archive` of a cluster.
    Archive,
}

impl Role {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 7] = [
        Self::Gateway,
        Self::Node,
        Self::Migrate,
        Self::Recover,
        Self::Audit,
        Self::Replay,
        Self::Archive,
    ];
}

/// The configuration of a command: what is built in, overridden by the file, by the environment and by flags.
///
/// `args` are [`ClusterArgs`], or the [`NodeArgs`] or [`GatewayArgs`] around them.
///
/// # Errors
/// If anything is missing, unknown or not allowed, or a file cannot be read: one error that lists all of it, a line each.
pub(crate) fn load(role: Role, args: &impl Flags) -> anyhow::Result<ClusterConfig> {
    let variables = std::env::vars_os().collect();
    Ok(load_with(role, args, &variables, &Machine::this())?)
}

/// [`load`], with the environment and the machine passed in.
fn load_with(
    role: Role,
    args: &impl Flags,
    variables: &BTreeMap<OsString, OsString>,
    machine: &Machine,
) -> Result<ClusterConfig, ConfigError> {
    let mut layers = Layers::default();
    let from_environment = || {
        let path = variables.get(OsStr::new(FILE_VARIABLE))?;
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    if let Some(path) = args.file().map(PathBuf::from).or_else(from_environment) {
        file::read(&path, &mut layers);
    }
    environment::read(variables, &mut layers);
    args::read(args, &mut layers);
    let mut reader = Reader::new(layers);
    let config = sections::read(role, machine, &mut reader);
    reader.finish(config)
}

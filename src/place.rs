//! Which stores a command looks at: a data directory of `stampede up`, or the servers of a cluster.

use std::{ffi::OsString, fmt, path::PathBuf};

use anyhow::{Result, bail};

use crate::config::{self, ClusterArgs, ClusterConfig, Role};

/// Where data lies if nothing is said.
const DEFAULT_DIR: &str = "./stampede-data";
/// The variable that names a data directory.
const DIR_VARIABLE: &str = "STAMPEDE_DATA_DIR";
/// The variables that mean a cluster: without one of them or a flag it has no database.
const CLUSTER_VARIABLES: [&str; 3] = [
    "STAMPEDE_CONFIG",
    "STAMPEDE_POSTGRES_URL",
    "STAMPEDE_POSTGRES_URL_FILE",
];

/// Flags that say which stores are meant.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct PlaceArgs {
    /// Where the data of `stampede up` lies, ./stampede-data by default [env: STAMPEDE_DATA_DIR].
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "set"])]
    pub(crate) data_dir: Option<PathBuf>,
    /// Which cluster.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// Where to look.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a data directory of `stampede up`.
    Directory(PathBuf),
    /// In the servers of a cluster.
    Cluster(Box<ClusterConfig>),
}

impl PlaceArgs {
    /// The place that is meant: what flags say, else what the environment says, else the default directory.
    ///
    /// # Errors
    /// If both kinds of place are meant, or the configuration of the cluster is wrong.
    pub(crate) fn place(&self, role: Role) -> Result<Place> {
        match self.directory(|name| std::env::var_os(name))? {
            Some(dir) => Ok(Place::Directory(dir)),
            None => Ok(Place::Cluster(Box::new(config::load(role, &self.cluster)?))),
        }
    }

    /// The directory that is meant; `None` if it is a cluster.
    fn directory(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<PathBuf>> {
        // An empty variable counts as none.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let has_cluster_flag = self.cluster.config.is_some() || !self.cluster.set.is_empty();
        let cluster_variable = || {
            CLUSTER_VARIABLES
                .into_iter()
                .find(|name| variable(name).is_some())
        };
        match (&self.data_dir, has_cluster_flag) {
            (Some(_), true) => {
                bail!("--data-dir and the configuration of a cluster exclude each other")
            }
            (Some(dir), false) => return Ok(Some(dir.clone())),
            (None, true) => return Ok(None),
            (None, false) => {}
        }
        match (variable(DIR_VARIABLE), cluster_variable()) {
            (Some(_), Some(name)) => bail!(
                "{DIR_VARIABLE} and {name} are both set: say with --data-dir or --config which store is meant"
            ),
            (Some(dir), None) => Ok(Some(dir.into())),
            (None, Some(_)) => Ok(None),
            (None, None) => Ok(Some(DEFAULT_DIR.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => write!(f, "the store in {}", dir.display()),
            Self::Cluster(_) => f.write_str("the cluster's store"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn directory(args: &PlaceArgs, variables: &[(&str, &str)]) -> Result<Option<PathBuf>> {
        args.directory(|name| {
            let mut variables = variables.iter();
            let (_, value) = variables.find(|(variable, _)| *variable == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn flags_come_before_the_environment_and_both_kinds_are_an_error() {
        let none = PlaceArgs::default();
        let dir = PlaceArgs {
            data_dir: Some("here".into()),
            ..PlaceArgs::default()
        };
        let cluster = PlaceArgs {
            cluster: ClusterArgs {
                set: vec!["postgres.url=x".to_owned()],
                ..ClusterArgs::default()
            },
            ..PlaceArgs::default()
        };
        let both = PlaceArgs {
            cluster: cluster.cluster.clone(),
            ..dir.clone()
        };
        let (dir_set, cluster_set) = ((DIR_VARIABLE, "there"), ("STAMPEDE_CONFIG", "file"));
        let of = |args, variables: &[_]| directory(args, variables).unwrap();
        assert_eq!(of(&none, &[]), Some(DEFAULT_DIR.into()));
        assert_eq!(
            of(&none, &[("STAMPEDE_POSTGRES_URL", "")]),
            Some(DEFAULT_DIR.into())
        );
        assert_eq!(of(&none, &[dir_set]), Some("there".into()));
        assert_eq!(of(&none, &[cluster_set]), None);
        assert_eq!(of(&none, &[("STAMPEDE_POSTGRES_URL_FILE", "f")]), None);
        assert_eq!(of(&dir, &[dir_set, cluster_set]), Some("here".into()));
        assert_eq!(of(&cluster, &[dir_set, cluster_set]), None);
        assert!(directory(&both, &[]).is_err());
        let error = directory(&none, &[dir_set, cluster_set])
            .unwrap_err()
            .to_string();
        assert!(error.contains("STAMPEDE_CONFIG"), "{error}");
    }
}

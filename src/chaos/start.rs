//! Which shop is meant, and which faults.

use std::{collections::BTreeMap, fs, sync::Mutex, time::Duration};

use anyhow::{Context, Result};

use super::{
    Args, CLUSTER_TIME, EMBEDDED_TIME,
    api::Address,
    cluster,
    deployment::{Deployment, Shape},
    embedded,
    kinds::{KINDS, Kind},
};
use crate::config::Role;

/// How long the orders are spread over.
pub(super) fn length(args: &Args) -> Duration {
    let usual = match args.shape {
        Shape::Cluster => CLUSTER_TIME,
        _ => EMBEDDED_TIME,
    };
    args.seconds.map_or(usual, Duration::from_secs)
}

/// The kinds of faults with these names; all of them if there are none.
pub(super) fn chosen_kinds(names: &[String]) -> Result<Vec<&'static Kind>> {
    if names.is_empty() {
        return Ok(KINDS.iter().collect());
    }
    let kinds = names.iter().map(|name| {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        kind.with_context(|| {
            format!(
                "{name} is none of the kinds of faults: {}",
                known.join(", ")
            )
        })
    });
    kinds.collect()
}

/// The shop that is meant.
pub(super) async fn start(args: &Args) -> Result<Deployment> {
    if let Some(url) = &args.url {
        return given(args, url);
    }
    match args.shape {
        Shape::Cluster => Box::pin(cluster::start(&args.servers, &args.place.cluster)).await,
        _ => embedded::start().await,
    }
}

/// A shop that runs already.
fn given(args: &Args, url: &str) -> Result<Deployment> {
    let file = args
        .admin_password_file
        .as_ref()
        .context("--admin-password-file is missing")?;
    let password =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let place = &args.place;
    let is_said =
        place.data_dir.is_some() || place.cluster.config.is_some() || !place.cluster.set.is_empty();
    let place = match is_said {
        true => Some(place.place(Role::Audit)?),
        false => None,
    };
    let address = Address::default();
    address.set(url);
    Ok(Deployment {
        shape: Shape::Given,
        address,
        admin_password: password.trim_end().to_owned(),
        members: Vec::new(),
        proxies: BTreeMap::new(),
        place,
        ended: Mutex::default(),
        leftovers: None,
        home: None,
    })
}

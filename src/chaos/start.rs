//! Which shop is meant, which faults, and what is there before anything goes wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    Args, CLUSTER_TIME, EMBEDDED_TIME,
    api::{Address, Api},
    cluster,
    deployment::{Deployment, Shape},
    embedded,
    kinds::{KINDS, Kind},
    market::Market,
    settle,
};
use crate::{config::Role, output::complain};

/// The longest that a shop may take to answer the first question.
const FIRST_ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

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

/// What there is before anything goes wrong.
pub(super) struct Begins {
    pub(super) market: Market,
    /// The kinds of faults that apply.
    pub(super) kinds: Vec<&'static Kind>,
    pub(super) parked_before: BTreeSet<String>,
}

impl Begins {
    /// Looks whether this shop can be used, and furnishes it.
    pub(super) async fn at(
        deployment: &Deployment,
        kinds: &[&'static Kind],
        seed: u64,
        orders: usize,
    ) -> Result<Self> {
        let visitor = Api::visitor(deployment.address.clone())?;
        let admin = visitor
            .logged_in("admin", &deployment.admin_password, FIRST_ANSWER_TIME_MAX)
            .await?;
        let system = admin.read("/v1/system", FIRST_ANSWER_TIME_MAX).await?;
        ensure!(
            system["faults_allowed"] == true,
            "this shop does not allow faults to be injected: start it with --faults-allowed, or set faults.allowed. \
             Not for a real shop"
        );
        let kinds: Vec<&Kind> = kinds
            .iter()
            .copied()
            .filter(|kind| deployment.offers(kind.needs))
            .collect();
        ensure!(
            !kinds.is_empty(),
            "this shop offers none of these kinds of faults"
        );
        complain(format_args!(
            "chaos: {} shop, {orders} orders, seed {seed}",
            deployment.shape.name()
        ));
        Ok(Self {
            parked_before: settle::parked(&admin).await?,
            market: Market::furnish(&visitor, admin, seed, orders).await?,
            kinds,
        })
    }
}

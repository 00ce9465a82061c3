//! A shop of one process, on a data directory of its own.

use std::{collections::BTreeMap, ffi::OsString, sync::Mutex};

use anyhow::Result;
use tempfile::TempDir;
use tokio::sync;

use super::{
    api::Address,
    deployment::{Deployment, Member, Shape},
    process::Process,
};
use crate::{admin::random_password, place::Place};

/// What a process prints when it serves HTTP, before the address.
pub(super) const SERVES: &str = "Stampede is ready: ";
/// The variable that says the first administrator's password.
pub(super) const PASSWORD_VARIABLE: &str = "STAMPEDE_ADMIN_PASSWORD";

/// Starts one.
pub(super) async fn start() -> Result<Deployment> {
    let home = TempDir::with_prefix("stampede-chaos-")?;
    let data = home.path().join("data");
    let mut arguments: Vec<OsString> = vec!["up".into(), "--data-dir".into(), (&data).into()];
    arguments.extend(["--http", "127.0.0.1:0", "--no-demo", "--faults-allowed"].map(Into::into));
    let admin_password = random_password();
    let process =
        Process::new(home.path(), "up", arguments).with(PASSWORD_VARIABLE, &admin_password);
    let address = Address::default();
    let member = Member {
        name: "up".to_owned(),
        hosts_shards: true,
        address: Some(address.clone()),
        ready_words: SERVES,
        process: sync::RwLock::new(process),
    };
    member.start(&mut *member.process.write().await).await?;
    Ok(Deployment {
        shape: Shape::Embedded,
        address,
        admin_password,
        members: vec![member],
        proxies: BTreeMap::new(),
        place: Some(Place::Directory(data)),
        ended: Mutex::default(),
        leftovers: None,
        home: Some(home),
    })
}

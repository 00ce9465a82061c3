//! What chaos is let loose on: processes and servers of its own, or a shop that it is pointed at.

use std::{collections::BTreeMap, path::PathBuf, sync::Mutex, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::{sync, time::sleep};

use super::{
    action::{Server, Whom},
    api::Address,
    cluster::Leftovers,
    crowd::lock,
    kinds::Needs,
    process::Process,
    proxy::Proxy,
};
use crate::place::Place;

/// How often processes are looked after.
const LOOK_AFTER_PAUSE: Duration = Duration::from_millis(200);

/// How often a process is started at most until it is up.
const STARTS_MAX: u32 = 10;

/// Which shop it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shape {
    /// One process on SQLite.
    Embedded,
    /// Two nodes and a gateway on PostgreSQL, Kafka and MongoDB.
    Cluster,
    /// One that runs already.
    #[value(skip)]
    Given,
}

/// A shop. Its fields are dropped in their order: processes first.
pub(super) struct Deployment {
    pub(super) shape: Shape,
    pub(super) address: Address,
    pub(super) admin_password: String,
    pub(super) members: Vec<Member>,
    pub(super) proxies: BTreeMap<Server, Proxied>,
    /// Its stores; `None` if nobody says where they are.
    pub(super) place: Option<Place>,
    /// How processes ended by themselves, or otherwise than they were told.
    pub(super) ended: Mutex<Vec<String>>,
    pub(super) leftovers: Option<Leftovers>,
    pub(super) home: Option<TempDir>,
}

/// A server behind a proxy, which suffers one disturbance at a time.
pub(super) struct Proxied(pub(super) sync::Mutex<Proxy>);

/// A process of the shop. Whoever has the lock to himself may do with it what he likes.
pub(super) struct Member {
    /// Its name, also in the cluster.
    pub(super) name: String,
    pub(super) hosts_shards: bool,
    /// Where it serves HTTP, if it does.
    pub(super) address: Option<Address>,
    /// What it prints when it is up, before the place where it is found.
    pub(super) ready_words: &'static str,
    pub(super) process: sync::RwLock<Process>,
}

impl Member {
    /// Starts it, and waits until it is up.
    pub(super) async fn start(&self, process: &mut Process) -> Result<()> {
        process.spawn()?;
        self.is_up(process).await
    }

    /// Waits until it is up.
    pub(super) async fn is_up(&self, process: &mut Process) -> Result<()> {
        let place = process.says(self.ready_words).await?;
        if let Some(address) = &self.address {
            address.set(&place);
        }
        Ok(())
    }
}

impl Deployment {
    /// The nodes: what hosts shards, and is not only a gateway.
    pub(super) fn nodes(&self) -> Vec<&Member> {
        let members = self.members.iter();
        members.filter(|member| member.hosts_shards).collect()
    }

    fn gateway(&self) -> Option<&Member> {
        let mut members = self.members.iter();
        members.find(|member| !member.hosts_shards)
    }

    /// The process that is meant.
    pub(super) fn member(&self, whom: Whom) -> Result<&Member> {
        let member = match whom {
            Whom::Node(number) => {
                let nodes = self.nodes();
                nodes.get(number % nodes.len().max(1)).copied()
            }
            Whom::Gateway => self.gateway(),
        };
        member.context("there is no such process")
    }

    /// Whether there is what a kind of fault needs.
    pub(super) fn offers(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::FailingStores => cfg!(feature = "fault-injection"),
            Needs::OwnProcesses => !self.members.is_empty(),
            Needs::OwnGateway => self.gateway().is_some(),
            Needs::Proxied(server) => self.proxies.contains_key(&server),
        }
    }

    /// Starts a process again, and once more if it does not come up: other faults may keep it from that.
    pub(super) async fn start_again(&self, member: &Member, process: &mut Process) -> Result<()> {
        for _ in 1..STARTS_MAX {
            match member.start(process).await {
                Ok(()) => return Ok(()),
                Err(error) => lock(&self.ended).push(format!("{error:#}")),
            }
            process.kill().await?;
            sleep(LOOK_AFTER_PAUSE).await;
        }
        member.start(process).await
    }

    /// Starts again what ends by itself, as whoever runs a shop would; never returns.
    pub(super) async fn look_after(&self) {
        loop {
            sleep(LOOK_AFTER_PAUSE).await;
            for member in &self.members {
                // Somebody else is at it.
                let Ok(mut process) = member.process.try_write() else {
                    continue;
                };
                let told = match process.ended() {
                    Ok(None) => continue,
                    Ok(Some(status)) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                let name = &member.name;
                lock(&self.ended).push(format!("{name} ended by itself: {told}"));
                let _ = self.start_again(member, &mut process).await;
            }
        }
    }

    /// Stops all processes in good order; what went wrong with it.
    pub(super) async fn stop(&self) -> Vec<String> {
        let stops = self.members.iter().map(|member| async {
            let mut process = member.process.write().await;
            let stopped = process.terminate().await;
            // One that does not end is ended.
            let killed = process.kill().await;
            stopped.and(killed).err().map(|error| format!("{error:#}"))
        });
        let stopped = futures::future::join_all(stops).await;
        stopped.into_iter().flatten().collect()
    }

    /// Panics that nobody injected.
    pub(super) async fn unexpected_panics(&self) -> Vec<String> {
        let mut panics = Vec::new();
        for member in &self.members {
            panics.extend(member.process.write().await.unexpected_panics());
        }
        panics
    }

    /// Leaves data and logs where they are; says where. Nothing of a shop that was given is ever removed.
    pub(super) fn keep(&mut self) -> Option<PathBuf> {
        self.leftovers = None;
        self.home.take().map(TempDir::keep)
    }
}

//! Injects what was planned, each fault at its time, and ends it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::{
    sync::RwLock,
    time::{Instant, sleep, sleep_until},
};

use super::{
    action::{Action, Disturbance, End, Server, Whom},
    api::{Api, Request},
    crowd::{Books, lock},
    deployment::Deployment,
    plan::Planned,
    progress::Progress,
};

/// The longest that the shop is asked to take a fault: others may keep it from answering.
const INJECTION_TIME_MAX: Duration = Duration::from_secs(20);
/// When a process that was asked to end has not, after so long, it is asked again.
const EXIT_TIME_MAX: Duration = Duration::from_secs(1);
/// How often it is looked at.
const EXIT_POLL: Duration = Duration::from_millis(20);

/// What injects.
pub(super) struct Injector {
    pub(super) deployment: Arc<Deployment>,
    pub(super) admin: Api,
    pub(super) books: Arc<Books>,
    pub(super) progress: Arc<Progress>,
    /// Whoever injects a fault that ends only with all others has this to himself.
    pub(super) clearing: RwLock<()>,
}

/// A fault that the shop is asked for.
struct Asked<'a> {
    body: &'a Value,
    end: Option<&'a End>,
    hold: Duration,
}

impl Injector {
    /// Injects all of these; returns when the last one has ended, with what could not be injected.
    pub(super) async fn run(&self, planned: &[Planned]) -> Vec<String> {
        let begun = Instant::now();
        let faults = planned
            .iter()
            .enumerate()
            .map(|(number, fault)| async move {
                sleep_until(begun + fault.at).await;
                let struck = self.strike(number, fault).await;
                struck
                    .err()
                    .map(|error| format!("{}: {error:#}", fault.kind))
            });
        let missed = futures::future::join_all(faults).await;
        missed.into_iter().flatten().collect()
    }

    async fn strike(&self, number: usize, fault: &Planned) -> Result<()> {
        let begun = match &fault.action {
            Action::Inject { body, end, hold } => {
                let asked = Asked {
                    body,
                    end: end.as_ref(),
                    hold: *hold,
                };
                self.inject(number, fault.kind, asked).await?
            }
            Action::Exit { whom, after_ms } => self.exit(fault.kind, *whom, *after_ms).await?,
            Action::Kill { whom, down } => self.kill(fault.kind, *whom, *down).await?,
            Action::Terminate { whom, down } => self.terminate(fault.kind, *whom, *down).await?,
            Action::Freeze { whom, time } => self.freeze(fault.kind, *whom, *time).await?,
            Action::Disturb {
                server,
                disturbance,
                time,
            } => {
                self.disturb(fault.kind, *server, *disturbance, *time)
                    .await?
            }
        };
        lock(&self.books.timeline).fault(fault.kind, begun, Instant::now());
        Ok(())
    }

    /// Asks the shop for a fault, and in a cluster one of its nodes.
    async fn inject(&self, number: usize, kind: &str, asked: Asked<'_>) -> Result<Instant> {
        let nodes = self.deployment.nodes();
        let member = nodes.get(number % nodes.len().max(1));
        let node = (nodes.len() > 1).then(|| nodes[number % nodes.len()].name.as_str());
        let _held = match member {
            Some(member) if !asked.hold.is_zero() => {
                Some((self.clearing.read().await, member.process.read().await))
            }
            _ => None,
        };
        // Nobody is told to stop meanwhile: what cannot be finished is waited for.
        let _alone = match asked.end {
            Some(End { by: None, .. }) => Some(self.clearing.write().await),
            _ => None,
        };
        self.ask(asked.body, node).await?;
        let begun = Instant::now();
        self.progress.fault(&format!("{kind} {}", asked.body));
        sleep(asked.hold).await;
        let Some(end) = asked.end else {
            return Ok(begun);
        };
        sleep(end.after).await;
        match &end.by {
            Some(body) => self.ask(body, node).await?,
            None => clear(&self.admin, INJECTION_TIME_MAX).await?,
        }
        Ok(begun)
    }

    /// Asks until the shop takes it: the node that is meant may be away.
    async fn ask(&self, body: &Value, node: Option<&str>) -> Result<()> {
        let mut body = body.clone();
        if let Some(node) = node {
            body["node"] = node.into();
        }
        let request = Request::post("/v1/system/faults", &body);
        let end = Instant::now() + INJECTION_TIME_MAX;
        loop {
            let answer = self.admin.insist(&request, INJECTION_TIME_MAX).await?;
            match answer.status {
                204 => return Ok(()),
                404 if Instant::now() < end => sleep(EXIT_POLL * 10).await,
                _ => bail!("{}", answer.told()),
            }
        }
    }

    /// Lets a process end of itself, as if it was killed, and starts it again.
    async fn exit(&self, kind: &str, whom: Whom, after_ms: u32) -> Result<Instant> {
        let member = self.deployment.member(whom)?;
        let mut process = member.process.write().await;
        let node = (self.deployment.nodes().len() > 1).then_some(member.name.as_str());
        let mut body = serde_json::json!({"kind": "exit", "after_ms": after_ms});
        if let Some(node) = node {
            body["node"] = node.into();
        }
        let request = Request::post("/v1/system/faults", &body);
        self.progress.fault(&format!("{kind} of {}", member.name));
        let begun = Instant::now();
        while process.ended()?.is_none() {
            if begun.elapsed() > INJECTION_TIME_MAX {
                bail!("the process does not end");
            }
            // One that ends at once does not answer.
            let asked = self.admin.send(&request).await;
            let last_look = Instant::now() + EXIT_TIME_MAX;
            let is_asked = asked.is_err() || asked.is_ok_and(|answer| answer.status == 204);
            while is_asked && process.is_running()? && Instant::now() < last_look {
                sleep(EXIT_POLL).await;
            }
            sleep(EXIT_POLL).await;
        }
        self.deployment.start_again(member, &mut process).await?;
        Ok(begun)
    }

    async fn kill(&self, kind: &str, whom: Whom, down: Duration) -> Result<Instant> {
        // A gateway that starts waits for every shard, and faults can be ended only through it.
        let _unhindered = match whom {
            Whom::Gateway => Some(self.clearing.read().await),
            Whom::Node(_) => None,
        };
        let member = self.deployment.member(whom)?;
        let mut process = member.process.write().await;
        self.progress
            .fault(&format!("{kind} of {} for {down:?}", member.name));
        let begun = Instant::now();
        process.kill().await?;
        sleep(down).await;
        self.deployment.start_again(member, &mut process).await?;
        Ok(begun)
    }

    async fn terminate(&self, kind: &str, whom: Whom, down: Duration) -> Result<Instant> {
        let _unhindered = self.clearing.read().await;
        let member = self.deployment.member(whom)?;
        let mut process = member.process.write().await;
        self.progress
            .fault(&format!("{kind} of {} for {down:?}", member.name));
        let begun = Instant::now();
        if let Err(error) = process.terminate().await {
            // Other faults may keep it from ending in good order; it is promised only where there are none.
            lock(&self.deployment.ended).push(format!("among other faults {error:#}"));
            process.kill().await?;
        }
        sleep(down).await;
        self.deployment.start_again(member, &mut process).await?;
        Ok(begun)
    }

    async fn freeze(&self, kind: &str, whom: Whom, time: Duration) -> Result<Instant> {
        let member = self.deployment.member(whom)?;
        let process = member.process.write().await;
        self.progress
            .fault(&format!("{kind} of {} for {time:?}", member.name));
        let begun = Instant::now();
        process.freeze()?;
        sleep(time).await;
        process.thaw()?;
        Ok(begun)
    }

    async fn disturb(
        &self,
        kind: &str,
        server: Server,
        disturbance: Disturbance,
        time: Duration,
    ) -> Result<Instant> {
        let proxied = self.deployment.proxies.get(&server);
        let proxy = proxied.context("there is no such proxy")?.0.lock().await;
        self.progress.fault(&format!("{kind} for {time:?}"));
        let begun = Instant::now();
        proxy.disturb(disturbance);
        sleep(time).await;
        proxy.calm();
        Ok(begun)
    }
}

/// Ends all faults that were injected by asking.
pub(super) async fn clear(admin: &Api, within: Duration) -> Result<()> {
    let request = Request {
        method: Method::DELETE,
        ..Request::get("/v1/system/faults")
    };
    let answer = admin.insist(&request, within).await?;
    match answer.status {
        204 => Ok(()),
        _ => bail!("faults cannot be ended: {}", answer.told()),
    }
}

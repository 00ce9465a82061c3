//! One run, from the start of the shop to the verdict.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Result, bail};
use tokio::{
    sync::RwLock,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    Args,
    api::Request,
    checks::{self, Finding},
    crowd::{self, Books, lock},
    deployment::Deployment,
    inject::Injector,
    kinds::Kind,
    ledger::Ledger,
    market::Market,
    plan::plan,
    progress::Progress,
    report::Summary,
    settle,
    start::{Begins, chosen_kinds, length, start},
    timeline::Timeline,
};
use crate::{audit, output::complain};

/// How often it is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(50);
/// When it has not answered for so long, it is not ready.
const READY_TIME_MAX: Duration = Duration::from_secs(1);
/// How often progress is shown.
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// Runs.
///
/// # Errors
/// If it cannot: no shop, or one that does not allow faults.
pub(super) async fn run(args: &Args, seed: u64) -> Result<Summary> {
    let begun = Instant::now();
    let kinds = chosen_kinds(&args.faults)?;
    let deployment = Box::pin(start(args)).await?;
    let orders = usize::try_from(args.orders)?;
    let begins = Begins::at(&deployment, &kinds, seed, orders).await;
    let Begins {
        market,
        kinds,
        parked_before,
    } = match begins {
        Ok(begins) => begins,
        Err(error) => {
            deployment.stop().await;
            put_away(deployment, false).await;
            return Err(error);
        }
    };
    let run = Run {
        seed,
        orders,
        length: length(args),
        deployment: Arc::new(deployment),
        books: Arc::new(Books {
            ledger: Mutex::default(),
            timeline: Mutex::default(),
        }),
        market: Arc::new(market),
        progress: Arc::new(Progress::new(orders, seed)),
    };
    Box::pin(run.finish(&kinds, &parked_before, args.keep, begun)).await
}

struct Run {
    seed: u64,
    orders: usize,
    length: Duration,
    deployment: Arc<Deployment>,
    books: Arc<Books>,
    market: Arc<Market>,
    progress: Arc<Progress>,
}

/// A task that ends when this is dropped.
struct Background(JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Run {
    async fn finish(
        self,
        kinds: &[&Kind],
        parked_before: &BTreeSet<String>,
        keep: bool,
        begun: Instant,
    ) -> Result<Summary> {
        let background = self.in_the_background();
        let injector = Injector {
            deployment: Arc::clone(&self.deployment),
            admin: self.market.admin.clone(),
            books: Arc::clone(&self.books),
            progress: Arc::clone(&self.progress),
            clearing: RwLock::default(),
        };
        let planned = plan(self.seed, kinds, self.length);
        let rush = crowd::rush(
            Arc::clone(&self.market),
            Arc::clone(&self.books),
            self.orders,
            self.length,
        );
        let (missed, ()) = tokio::join!(injector.run(&planned), rush);
        drop(injector);
        self.progress.phase("everything settles");
        let mut settling =
            Finding::new("C5", "everything settles once nothing goes wrong any more");
        let settled = settle::settle(&self.market, parked_before).await;
        settling.check(settled.is_ok(), || {
            settled
                .as_ref()
                .err()
                .map_or_else(String::new, |error| format!("{error:#}"))
        });
        let settled = settled.unwrap_or_default();
        let mut findings = self.checked(settling).await;
        drop(background);
        findings.push(self.stopped().await);
        self.progress.phase("audit");
        let not_audited = self
            .audited(&mut findings)
            .await
            .err()
            .map(|error| format!("{error:#}"));
        self.progress.finish();
        self.summary(missed, settled, findings, not_audited, keep, begun)
            .await
    }

    /// Whoever restarts what ends by itself, watches readiness, and shows how far it is.
    fn in_the_background(&self) -> Vec<Background> {
        let deployment = Arc::clone(&self.deployment);
        let looked_after = tokio::spawn(async move { deployment.look_after().await });
        let (admin, books) = (self.market.admin.clone(), Arc::clone(&self.books));
        let readiness = tokio::spawn(async move {
            loop {
                let request = Request::get("/readyz");
                let asked = timeout(READY_TIME_MAX, admin.send(&request)).await;
                let is_ready = matches!(asked, Ok(Ok(answer)) if answer.status == 200);
                lock(&books.timeline).readiness(Instant::now(), is_ready);
                sleep(READY_POLL).await;
            }
        });
        let (progress, books) = (Arc::clone(&self.progress), Arc::clone(&self.books));
        let shown = tokio::spawn(async move {
            loop {
                sleep(PROGRESS_PAUSE).await;
                let answered = lock(&books.ledger).answered();
                progress.answered(answered);
            }
        });
        [looked_after, readiness, shown].map(Background).into()
    }

    /// What can be seen from outside.
    async fn checked(&self, settling: Finding) -> Vec<Finding> {
        let observed = match settle::observe(&self.market, &self.books).await {
            Ok(observed) => observed,
            Err(error) => {
                let mut readable = Finding::new("C1", "orders and stock can be read");
                readable.check(false, || format!("{error:#}"));
                return vec![readable, settling];
            }
        };
        let market = &self.market;
        let ledger = lock(&self.books.ledger);
        let buyer_of = |number| market.wanted(number).buyer;
        let mut findings = checks::check(&ledger, &observed, &market.products, buyer_of);
        findings.push(settling);
        findings
    }

    /// Stops what chaos has started.
    async fn stopped(&self) -> Finding {
        self.progress.phase("the shop stops");
        let mut finding = Finding::new(
            "C6",
            "no panic that was not injected; processes stop in good order",
        );
        finding.checked = self.deployment.members.len() as u64;
        let wrong = self.deployment.stop().await.into_iter();
        let panics = self.deployment.unexpected_panics().await;
        for what in wrong.chain(panics) {
            finding.check(false, || what);
        }
        finding
    }

    async fn audited(&self, findings: &mut Vec<Finding>) -> Result<()> {
        let Some(place) = &self.deployment.place else {
            bail!("neither --data-dir nor --config says where its stores are");
        };
        match Box::pin(audit::audit_all(place)).await {
            Ok(audited) => findings.extend(audited.report.findings().iter().map(of_audit)),
            Err(error) => {
                let mut readable = Finding::new("I0", "the stores can be audited");
                readable.check(false, || error.to_string());
                findings.push(readable);
            }
        }
        Ok(())
    }

    async fn summary(
        self,
        missed: Vec<String>,
        settled: settle::Settled,
        findings: Vec<Finding>,
        not_audited: Option<String>,
        keep: bool,
        begun: Instant,
    ) -> Result<Summary> {
        let ledger = std::mem::take::<Ledger>(&mut *lock(&self.books.ledger));
        let timeline = std::mem::take::<Timeline>(&mut *lock(&self.books.timeline));
        let mut summary = Summary {
            seed: self.seed,
            shape: self.deployment.shape,
            orders: self.orders,
            accepted: ledger.accepted(),
            recoveries: timeline.recoveries(),
            answers: ledger.answers,
            missed,
            ended: std::mem::take(&mut *lock(&self.deployment.ended)),
            retried: settled.retried,
            settled_after: settled.took,
            findings,
            not_audited,
            took: begun.elapsed(),
            kept: None,
        };
        // Tasks that are being ended may hold it for a moment.
        let mut deployment = self.deployment;
        let deployment = loop {
            match Arc::try_unwrap(deployment) {
                Ok(deployment) => break deployment,
                Err(shared) => deployment = shared,
            }
            sleep(READY_POLL).await;
        };
        summary.kept = put_away(deployment, keep || !summary.passes()).await;
        Ok(summary)
    }
}

/// Removes what the run leaves behind, or says where it is.
async fn put_away(mut deployment: Deployment, keep: bool) -> Option<std::path::PathBuf> {
    if keep {
        return deployment.keep();
    }
    if let Some(leftovers) = deployment.leftovers.take()
        && let Err(error) = Box::pin(leftovers.remove()).await
    {
        complain(format_args!(
            "warning: something is left in the servers: {error:#}"
        ));
    }
    None
}

/// A finding of the audit.
fn of_audit(found: &domain::invariants::Finding) -> Finding {
    let examples = found.examples.iter();
    Finding {
        id: found.invariant.id(),
        statement: found.invariant.statement(),
        checked: found.checked,
        violations: found.violations,
        examples: examples.map(|example| example.detail.clone()).collect(),
    }
}

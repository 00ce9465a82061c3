//! `stampede recover`: lets a cluster go on whose databases were put back to an earlier state.
//!
//! Such a database has forgotten records that others have seen, and would give their positions and ids to others. So
//! what Kafka and the activity log remember is compared with the journals: what these no longer have is noted as lost,
//! its ids are never given out again, and what is recorded from now on belongs to a new incarnation. A database is put
//! back as a whole: if one of its journals has lost something, all of its journals begin a new incarnation, also where
//! nobody remembers a lost record. What others have applied or logged beyond the ends of the journals is put back to
//! those.
//!
//! Nothing brings lost events back. It is safe to repeat: what is not lost keeps its incarnation.
//!
//! `remembered` reads what others know, `plan` compares, `report` prints.

mod plan;
mod remembered;
mod report;
#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, Write, stdin, stdout},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::transport::kafka::KafkaConfig;
use anyhow::{Context, Result, bail};
use storage::{mongo::MongoActivityLog, postgres::Recovery};

use self::plan::Plan;
use crate::{
    cluster::{
        kafka_config,
        stores::{mongo_options, postgres_options},
    },
    config::{self, ClusterArgs, ClusterConfig, Role},
    output::say,
};

/// A node that was heard of within this time is running.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(10);

/// Go on after the databases of a cluster were put back to an earlier state. Stop all nodes first.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

/// Recovers, and prints what was done.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let config = config::load(Role::Recover, &args.cluster)?;
    let (recovery, plan) = prepare(&config).await?;
    say(report::table(&plan));
    if !args.yes && !is_confirmed()? {
        say("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    carry_out(&config, recovery, &plan).await?;
    say("done: nodes can be started");
    Ok(ExitCode::SUCCESS)
}

/// Finds out what is to be done, and does it in transactions that are yet to be committed.
async fn prepare(config: &ClusterConfig) -> Result<(Recovery, Plan)> {
    let kafka = kafka(config)?;
    let mut recovery = Recovery::begin(postgres_options(config))
        .await
        .context("PostgreSQL")?;
    let nodes = recovery.nodes_heard_of(HEARD_OF_WITHIN).await?;
    if !nodes.is_empty() {
        bail!(
            "nodes were heard of within {} s: {}; stop them all, then run it again",
            HEARD_OF_WITHIN.as_secs(),
            nodes.join(", ")
        );
    }
    let plan = Plan::make(&mut recovery, &kafka, config.mongodb.as_ref()).await?;
    Ok((recovery, plan))
}

/// Commits, and puts back the activity log. If that fails it is to be run again; until then no node starts.
async fn carry_out(config: &ClusterConfig, recovery: Recovery, plan: &Plan) -> Result<()> {
    let incarnations = Arc::new(recovery.commit().await.context("PostgreSQL")?);
    let Some(mongodb) = &config.mongodb else {
        return Ok(());
    };
    let put_back = async {
        let options = mongo_options(mongodb, incarnations);
        let log = MongoActivityLog::open(mongodb.url.expose(), options).await?;
        let positions = plan
            .logged
            .iter()
            .map(|lowered| (lowered.source, lowered.to));
        log.lower_watermarks(&positions.collect::<Vec<_>>()).await
    };
    put_back
        .await
        .context("PostgreSQL is recovered, the activity log in MongoDB is not; run it again")
}

fn kafka(config: &ClusterConfig) -> Result<KafkaConfig> {
    let kafka = config.kafka.as_ref().context(
        "kafka.brokers is not set; without its topics nobody knows what was published and is lost",
    )?;
    Ok(kafka_config(kafka, "stampede-recover"))
}

/// Asks on the terminal.
fn is_confirmed() -> Result<bool> {
    if !stdin().is_terminal() {
        bail!("nothing was changed: there is no terminal to ask on; --yes does it without asking");
    }
    let mut out = stdout().lock();
    write!(out, "Do this? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

//! The consumer of one hosted domain: it brings messages to the shards, and tells which shards the group suggests.
//!
//! The polling is done by a thread of its own, so that no arbiter ever waits for librdkafka. Here is what
//! watches over that thread: it is made anew when its consumer fails for good, when it panics, and when it has not
//! polled for too long; then the old one is abandoned and has nothing to say any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::ArbiterHandle;
use domain::{Domain, ShardRef, Topology};
use storage::Incarnations;
use tokio::sync::{oneshot, watch};

use super::{
    config::KafkaConfig,
    dispatch::Dispatcher,
    membership::{Membership, Told},
    polling::Polling,
    pulse::Pulse,
    stats::{ConsumerCounts, ConsumerStats},
};
use crate::transport::{Assignment, Inbox};

/// A thread that has not polled for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often the thread is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The wait before a consumer is made anew, at first.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest wait before a consumer is made anew.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A consumer that has run for so long has nothing to do with the failures before it.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// What a consumer is made of.
pub struct ConsumerSetup {
    /// How to reach Kafka.
    pub config: KafkaConfig,
    /// The domain whose shards are fed.
    pub domain: Domain,
    /// Shards per domain.
    pub topology: Topology,
    /// Which life of the database each record belongs to.
    pub incarnations: Arc<Incarnations>,
    /// The mailboxes of the domain's shards; for the logs one, `logs/0`, for all sources.
    pub targets: BTreeMap<ShardRef, Inbox>,
}

/// A running consumer.
pub struct KafkaConsumer {
    told: Arc<Told>,
    counts: Arc<ConsumerCounts>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl KafkaConsumer {
    /// Starts a consumer; what watches over it runs on this arbiter.
    #[must_use]
    pub fn start(setup: ConsumerSetup, arbiter: &ArbiterHandle) -> Self {
        let told = Arc::new(Told {
            assignment: watch::Sender::new(Assignment::default()),
            sources: watch::Sender::new(BTreeSet::new()),
        });
        let counts = Arc::new(ConsumerCounts::default());
        let (stop, stop_end) = watch::channel(false);
        let (ended, ended_end) = watch::channel(false);
        let supervisor = Supervisor {
            config: setup.config,
            dispatcher: Arc::new(Dispatcher {
                domain: setup.domain,
                topology: setup.topology,
                incarnations: setup.incarnations,
                targets: setup.targets,
                counts: counts.clone(),
            }),
            told: told.clone(),
            stop: stop_end,
        };
        let running = async move {
            supervisor.run().await;
            let _ = ended.send(true);
        };
        if !arbiter.spawn(running) {
            tracing::error!("a consumer cannot start: its arbiter has ended");
        }
        Self {
            told,
            counts,
            stop,
            ended: ended_end,
        }
    }

    /// What the group suggests that this node serves.
    #[must_use]
    pub fn assignment(&self) -> watch::Receiver<Assignment> {
        self.told.assignment.subscribe()
    }

    /// The same, with the domain of each shard. For the logs these are the sources that they are to follow.
    #[must_use]
    pub fn sources(&self) -> watch::Receiver<BTreeSet<ShardRef>> {
        self.told.sources.subscribe()
    }

    /// Leaves the group, so that others get its partitions at once. Returns whether that was done within `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        let _ = self.stop.send(true);
        let mut ended = self.ended.clone();
        let waiting = ended.wait_for(|ended| *ended);
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// The consumer as it is now.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        self.counts.snapshot()
    }
}

/// Watches over the polling thread.
struct Supervisor {
    config: KafkaConfig,
    dispatcher: Arc<Dispatcher>,
    told: Arc<Told>,
    stop: watch::Receiver<bool>,
}

/// How a thread has ended.
enum Ended {
    /// It was told to.
    Stopped,
    /// It has to be made anew, for this reason.
    Failed(String),
}

impl Supervisor {
    async fn run(mut self) {
        let domain = self.dispatcher.domain.name();
        let mut backoff = BACKOFF_MIN;
        loop {
            let begun = tokio::time::Instant::now();
            match self.run_once().await {
                Ended::Stopped => return,
                Ended::Failed(reason) => {
                    self.dispatcher.counts.restarts.add(1);
                    self.told.lost();
                    if begun.elapsed() >= HEALTHY_AFTER {
                        backoff = BACKOFF_MIN;
                    }
                    tracing::error!(
                        domain,
                        reason,
                        retry_in_ms = backoff.as_millis(),
                        "a consumer has ended and is made anew"
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Runs one thread until it ends or is given up.
    async fn run_once(&mut self) -> Ended {
        let pulse = Arc::new(Pulse::new());
        let mut ended = match self.start_thread(pulse.clone()) {
            Ok(ended) => ended,
            Err(error) => return Ended::Failed(format!("no thread can be started: {error}")),
        };
        loop {
            tokio::select! {
                result = &mut ended => return match result {
                    Ok(Ok(())) => Ended::Stopped,
                    Ok(Err(reason)) => Ended::Failed(reason),
                    Err(_) => {
                        pulse.is_abandoned.store(true, Ordering::Release);
                        Ended::Failed("its thread has panicked".to_owned())
                    }
                },
                _ = self.stop.wait_for(|stop| *stop), if !pulse.stop.load(Ordering::Acquire) => {
                    pulse.stop.store(true, Ordering::Release);
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let is_leaving = pulse.stop.load(Ordering::Acquire);
                    if pulse.silence() >= SILENCE_MAX && !is_leaving {
                        pulse.is_abandoned.store(true, Ordering::Release);
                        return Ended::Failed("its thread has not polled for too long".to_owned());
                    }
                }
            }
        }
    }

    fn start_thread(
        &self,
        pulse: Arc<Pulse>,
    ) -> std::io::Result<oneshot::Receiver<Result<(), String>>> {
        let (ended, ended_end) = oneshot::channel();
        let (config, dispatcher) = (self.config.clone(), self.dispatcher.clone());
        let prefix = config.topic_prefix.clone();
        let membership =
            Membership::new(dispatcher.domain, prefix, self.told.clone(), pulse.clone());
        std::thread::Builder::new()
            .name(format!("kafka-{}", dispatcher.domain.name()))
            .spawn(move || {
                let result = Polling::new(&config, dispatcher, membership, pulse)
                    .and_then(Polling::run)
                    .map_err(|error| error.to_string());
                let _ = ended.send(result);
            })?;
        Ok(ended_end)
    }
}

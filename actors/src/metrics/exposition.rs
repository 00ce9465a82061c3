//! What a process is, in the words of Prometheus.

use std::{collections::BTreeMap, fmt, sync::Arc};

use domain::Domain;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Meters;
use crate::{
    runtime::Stats,
    system::{ActorKindStatus, NodeStatus, ShardStatus},
};

/// Labels with their values.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;
/// A value with its labels.
pub type Labelled<'a> = (Labels<'a>, u64);

/// What a process has said of itself, to be written down.
#[derive(Debug)]
pub struct Exposition {
    /// What it said.
    pub status: NodeStatus,
    /// What was counted.
    pub stats: Arc<Stats>,
}

/// Writes a metric down with all its values. A counter's name is given without `_total`.
///
/// # Errors
/// Those of the encoder.
pub fn write_family<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    kind: MetricType,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = Labelled<'a>>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        if labels.is_empty() {
            // Without labels there is one value.
            return write_value(metric, kind, value);
        }
        let labels = labels.as_slice();
        write_value(metric.encode_family(&labels)?, kind, value)?;
    }
    Ok(())
}

fn write_value(metric: MetricEncoder<'_>, kind: MetricType, value: u64) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(metric),
        _ => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric),
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.supervision(encoder)?;
        self.actors(encoder)?;
        self.shards(encoder)?;
        self.feed(encoder)?;
        meters(encoder, &self.stats.meters)
    }
}

impl Exposition {
    fn supervision(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kinds = || self.status.actors.iter();
        let restarts = kinds().flat_map(|kind| {
            let by_cause = kind.restarts_by_cause.iter();
            by_cause.map(|(cause, restarts)| {
                let labels = vec![("kind", kind.kind.as_str()), ("cause", cause.as_str())];
                (labels, *restarts)
            })
        });
        write_family(
            encoder,
            MetricType::Counter,
            "stampede_actor_restarts",
            "Actors that were restarted",
            restarts,
        )?;
        let threads = &self.status.threads;
        let escalations = self.stats.escalations();
        let escalations = escalations.iter();
        write_family(
            encoder,
            MetricType::Counter,
            "stampede_actor_escalations",
            "Restart budgets that were used up, so that what is above the actor was restarted",
            escalations.map(|(kind, times)| (vec![("kind", *kind)], *times)),
        )?;
        let thread = || [("kind", "thread")].to_vec();
        write_family(
            encoder,
            MetricType::Gauge,
            "stampede_restart_budget_used",
            "The most restarts of one actor within the window of its budget",
            by_kind(kinds(), |kind| kind.budget.used_max)
                .chain([(thread(), wide(threads.budget.used_max))]),
        )?;
        write_family(
            encoder,
            MetricType::Gauge,
            "stampede_restart_budget_allowed",
            "Restarts of one actor that are allowed within the window",
            by_kind(kinds(), |kind| kind.budget.allowed)
                .chain([(thread(), wide(threads.budget.allowed))]),
        )?;
        write_family(
            encoder,
            MetricType::Counter,
            "stampede_frozen_threads",
            "Threads on which a handler did not return, and that were replaced",
            [(Vec::new(), threads.replaced)],
        )?;
        write_family(
            encoder,
            MetricType::Counter,
            "stampede_frozen_actors",
            "Actors that were found not to return from a handler",
            kinds().map(|kind| (vec![("kind", kind.kind.as_str())], kind.frozen)),
        )
    }

    fn actors(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kinds = || self.status.actors.iter();
        let mut gauge = |name, help, of: fn(&ActorKindStatus) -> usize| {
            write_family(encoder, MetricType::Gauge, name, help, by_kind(kinds(), of))
        };
        gauge("stampede_actors", "Actors in memory", |kind| kind.running)?;
        gauge(
            "stampede_mailbox_depth",
            "The most messages that wait in one mailbox",
            |kind| kind.mailbox_depth_max,
        )?;
        gauge(
            "stampede_mailbox_depth_peak",
            "The most messages that ever waited in one mailbox since the actor of its shard was started",
            |kind| kind.mailbox_depth_peak,
        )?;
        gauge(
            "stampede_mailbox_capacity",
            "Messages that fit one mailbox",
            |kind| kind.mailbox_capacity,
        )
    }

    fn shards(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut write = |kind, name, help, of: fn(&ShardStatus) -> u64| {
            let values = self.by_domain(of).into_iter();
            let values = values.map(|(domain, value)| (vec![("domain", domain)], value));
            write_family(encoder, kind, name, help, values)
        };
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        write(
            gauge,
            "stampede_shards_serving",
            "Shards that this process serves",
            |shard| u64::from(shard.serving),
        )?;
        write(
            gauge,
            "stampede_turns_pending",
            "Turns that have begun and are not committed",
            |shard| wide(shard.turns_pending),
        )?;
        write(
            counter,
            "stampede_commands_refused",
            "Commands and messages refused because a shard, its mailbox or an aggregate was full",
            |shard| shard.refused,
        )?;
        write(
            gauge,
            "stampede_parked_commands",
            "Commands that were set aside because their handler kept failing",
            |shard| wide(shard.parked),
        )?;
        write(
            gauge,
            "stampede_held_links",
            "Links that are held by a record which cannot be taken up",
            |shard| wide(shard.held_links),
        )?;
        write(
            counter,
            "stampede_link_healings",
            "Readings of a source's journal because a record was missing",
            |shard| shard.healings,
        )?;
        let mut lags: BTreeMap<&'static str, u64> = BTreeMap::new();
        for shard in &self.status.shards {
            let lag = lags.entry(shard.shard.domain.name()).or_default();
            *lag = shard.link_lag_max.max(*lag);
        }
        write_family(
            encoder,
            gauge,
            "stampede_link_lag_positions",
            "The most that one link lags behind what is known to exist in its source's journal",
            (lags.into_iter()).map(|(domain, lag)| (vec![("domain", domain)], lag)),
        )?;
        let overdue = self.by_domain(|shard| wide(shard.overdue));
        let overdue = overdue.get(Domain::Orders.name()).copied();
        write_family(
            encoder,
            gauge,
            "stampede_orders_overdue",
            "Orders whose deadline has passed, and that are not settled",
            overdue.map(|overdue| (Vec::new(), overdue)),
        )
    }

    /// A figure of all shards of each domain together.
    fn by_domain(&self, of: impl Fn(&ShardStatus) -> u64) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for shard in &self.status.shards {
            *sums.entry(shard.shard.domain.name()).or_default() += of(shard);
        }
        sums
    }

    fn feed(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let waiting = self.status.feed.iter().filter_map(|(name, records)| {
            let family = name.strip_prefix("publisher.backlog.")?;
            Some((vec![("family", family)], *records))
        });
        write_family(
            encoder,
            MetricType::Gauge,
            "stampede_publisher_backlog_records",
            "Committed records that wait to be acknowledged by Kafka",
            waiting,
        )
    }
}

/// Writes down what was measured.
fn meters(encoder: &mut DescriptorEncoder<'_>, meters: &Meters) -> fmt::Result {
    let of_orders = [
        (
            "stampede_order_accept_seconds",
            "From an order's arrival at the process of its shard until it is durable",
            &meters.order_accept,
        ),
        (
            "stampede_order_confirm_seconds",
            "From an order's arrival at the process of its shard until it is settled",
            &meters.order_confirm,
        ),
    ];
    for (name, help, histogram) in of_orders {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        histogram.encode(metric)?;
    }
    let writers = meters.writers();
    let labels = |name| [("writer", name)];
    let mut commit = encoder.encode_descriptor(
        "stampede_commit_seconds",
        "How long a transaction of a journal takes",
        None,
        MetricType::Histogram,
    )?;
    for (name, writer) in &writers {
        writer
            .commit
            .encode(commit.encode_family(&labels(*name))?)?;
    }
    let mut batch = encoder.encode_descriptor(
        "stampede_commit_batch_entries",
        "Turns that one transaction commits",
        None,
        MetricType::Histogram,
    )?;
    for (name, writer) in &writers {
        writer.batch.encode(batch.encode_family(&labels(*name))?)?;
    }
    write_family(
        encoder,
        MetricType::Counter,
        "stampede_commits_failed",
        "Transactions that failed, or of which nobody knows",
        writers
            .iter()
            .map(|(name, writer)| (vec![("writer", *name)], writer.commits_failed())),
    )
}

fn by_kind<'a>(
    kinds: impl Iterator<Item = &'a ActorKindStatus>,
    of: fn(&ActorKindStatus) -> usize,
) -> impl Iterator<Item = Labelled<'a>> {
    kinds.map(move |kind| (vec![("kind", kind.kind.as_str())], wide(of(kind))))
}

fn wide(count: usize) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::Timestamp;
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;
    use crate::{
        runtime::stats::RestartCause,
        system::{ThreadStatus, WriterStatus},
    };

    fn status() -> NodeStatus {
        NodeStatus {
            version: String::new(),
            started_at: Timestamp::from_millis(1),
            is_stopping: false,
            shards: Vec::new(),
            actors: Vec::new(),
            writer: WriterStatus::default(),
            feed: [("publisher.backlog.public".to_owned(), 7)].into(),
            threads: ThreadStatus {
                replaced: 3,
                ..ThreadStatus::default()
            },
            faults_allowed: false,
            faults: Vec::new(),
        }
    }

    #[test]
    fn what_is_told_and_counted_is_written_down() {
        let stats = Arc::new(Stats::default());
        stats.escalated("order");
        stats.restarted("order", RestartCause::Panicked);
        stats.meters.writer("orders").commit_failed();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition {
            status: status(),
            stats,
        }));
        let mut written = String::new();
        text::encode(&mut written, &registry).unwrap();
        for line in [
            "stampede_frozen_threads_total 3",
            "stampede_actor_escalations_total{kind=\"order\"} 1",
            "stampede_publisher_backlog_records{family=\"public\"} 7",
            "stampede_commits_failed_total{writer=\"orders\"} 1",
            "stampede_order_accept_seconds_bucket{le=\"+Inf\"} 0",
        ] {
            assert!(written.lines().any(|it| it == line), "{line} in {written}");
        }
    }
}

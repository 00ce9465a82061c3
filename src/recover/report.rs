//! What is done, for people.

use std::{collections::BTreeMap, fmt::Write};

use domain::{Domain, ShardRef};

use super::plan::Plan;

/// Lines of one kind that are printed.
const LINES_MAX: usize = 20;

/// The plan as a table.
pub(super) fn table(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    if plan.is_whole() {
        text.push_str(
            "nothing is lost that was not known to be: every shard keeps its incarnation\n",
        );
    } else {
        let total: u64 = plan.lost.values().sum();
        let _ = writeln!(text, "{:<40}  {:>10}", "public events lost", total);
        for (event_type, count) in &plan.lost {
            let _ = writeln!(text, "  {event_type:<38}  {count:>10}");
        }
        let _ = writeln!(
            text,
            "{:<40}  {:>10}",
            "shards with a new incarnation",
            plan.renewed.len()
        );
        for (domain, count) in by_domain(&plan.renewed) {
            let _ = writeln!(text, "  {:<38}  {count:>10}", domain.name());
        }
    }
    section(&mut text, "last ids raised", &plan.raised, |(shard, id)| {
        format!("{shard} to {id}")
    });
    section(
        &mut text,
        "watermarks of shards lowered",
        &plan.links,
        |(target, lowered)| {
            let (source, from, to) = (lowered.source, lowered.from, lowered.to);
            format!("{target} on the link from {source}: {from} to {to}")
        },
    );
    section(
        &mut text,
        "watermarks of the activity log lowered",
        &plan.logged,
        |lowered| {
            let (source, from, to) = (lowered.source, lowered.from, lowered.to);
            format!("{source}: {from} to {to}")
        },
    );
    if plan.cursors > 0 {
        let _ = writeln!(
            text,
            "{:<40}  {:>10}",
            "cursors of publishers put back", plan.cursors
        );
    }
    text.push_str("all shards are taken from their owners");
    text
}

fn by_domain(shards: &[ShardRef]) -> BTreeMap<Domain, u64> {
    let mut domains = BTreeMap::new();
    for shard in shards {
        *domains.entry(shard.domain).or_default() += 1;
    }
    domains
}

fn section<T>(text: &mut String, title: &str, rows: &[T], line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title:<40}  {:>10}", rows.len());
    for row in rows.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  {}", line(row));
    }
    if rows.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} more", rows.len() - LINES_MAX);
    }
}

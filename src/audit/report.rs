//! What was found, for people and for programs.

use std::{fmt::Write, time::Duration};

use domain::{
    Sku,
    invariants::{Finding, Invariant, Retained, Waiting},
};
use serde_json::{Value, json};
use storage::LostEvent;

use super::Audited;
use crate::replay::rfc_3339;

/// Lost events that the table names.
const LOST_NAMED: usize = 5;

/// The report as JSON.
pub(super) fn json(audited: &Audited, elapsed: Duration) -> Value {
    let report = &audited.report;
    let finding = |finding: &Finding| {
        let examples = finding.examples.iter();
        let examples: Vec<&str> = examples.map(|example| example.detail.as_str()).collect();
        json!({
            "id": finding.invariant.id(),
            "statement": finding.invariant.statement(),
            "is_checked": audited.is_checked(finding.invariant),
            "not_checked": audited.limits(finding.invariant),
            "checked": finding.checked,
            "violations": finding.violations,
            "examples": examples,
        })
    };
    let invariants: Vec<Value> = report.findings().iter().map(finding).collect();
    json!({
        "ok": report.is_ok(),
        "invariants": invariants,
        "scope": {
            "skus": audited.asked.skus.iter().map(Sku::as_str).collect::<Vec<_>>(),
            "since": audited.asked.since.map(rfc_3339),
            "archived_before": audited.archived_before.map(rfc_3339),
        },
        "waiting": {
            "total": report.waiting.total(),
            "not_served": report.waiting.not_served,
            "suspended": report.waiting.suspended,
            "soon": report.waiting.soon,
            "examples": report.waiting.examples.iter().map(|(id, _)| id.get()).collect::<Vec<_>>(),
        },
        "kept_at_most": kept_json(&audited.retained),
        "records": report.records,
        "orders": report.orders,
        "lost_events": {
            "total": audited.lost.total,
            "events": audited.lost.examples.iter().map(lost_json).collect::<Vec<Value>>(),
        },
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

/// How many things were kept at one time, which is what memory was needed for.
fn kept_json(kept: &Retained) -> Value {
    json!({
        "tasks": kept.tasks,
        "rows": kept.rows,
        "aggregates": kept.aggregates,
        "aggregate_rows": kept.aggregate_rows,
        "stocks": kept.stocks,
        "keys": kept.keys,
        "waiting_orders": kept.waiting_orders,
        "parked": kept.parked,
    })
}

fn lost_json(event: &LostEvent) -> Value {
    json!({
        "shard": event.shard.to_string(),
        "incarnation": event.incarnation,
        "position": event.position,
        "type": event.event_type,
        "aggregate_id": (event.aggregate_id > 0).then_some(event.aggregate_id),
        "time": rfc_3339(event.time),
    })
}

impl Audited {
    /// Whether there is something that this invariant says about what is looked at, and everything that it speaks of.
    pub(super) fn is_checked(&self, invariant: Invariant) -> bool {
        (self.has_log || invariant != Invariant::I8) && !self.scope.leaves_out(invariant)
    }

    /// What the invariant says and was not checked.
    pub(super) fn limits(&self, invariant: Invariant) -> Vec<&'static str> {
        let mut limits = self.scope.limits(invariant);
        if !self.has_log && invariant == Invariant::I8 {
            limits.push("there is no activity log: mongodb.url is not set");
        }
        if self.report.has_keys_left && invariant == Invariant::I4 {
            limits.push("some of the idempotency keys, of which there are too many at once");
        }
        limits
    }

    /// What was looked at, where that is not everything.
    fn part(&self) -> Option<String> {
        let skus: Vec<&str> = self.asked.skus.iter().map(Sku::as_str).collect();
        let products = (!skus.is_empty()).then(|| format!("SKU {}", skus.join(", ")));
        let since = self
            .asked
            .since
            .map(|since| format!("since {}", rfc_3339(since)));
        let archived = self
            .archived_before
            .map(|before| format!("not archived (before {})", rfc_3339(before)));
        let parts: Vec<String> = products.into_iter().chain(since).chain(archived).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// The report as a table.
pub(super) fn table(audited: &Audited, elapsed: Duration) -> String {
    let report = &audited.report;
    let statements = report
        .findings()
        .iter()
        .map(|finding| finding.invariant.statement());
    let width = statements.map(str::len).max().unwrap_or(0);
    // Writing into a string does not fail.
    let mut text = format!(
        "{:<4}  {:<width$}  {:>10}  {:>10}\n",
        "", "invariant", "checked", "violations"
    );
    for finding in report.findings() {
        let (id, statement) = (finding.invariant.id(), finding.invariant.statement());
        let (checked, violations) = (finding.checked, finding.violations);
        if !audited.is_checked(finding.invariant) {
            let _ = writeln!(text, "{id:<4}  {statement:<width$}  {:>10}", "not checked");
            for limit in audited.limits(finding.invariant) {
                let _ = writeln!(text, "{:<4}  - {limit}", "");
            }
            continue;
        }
        let _ = writeln!(
            text,
            "{id:<4}  {statement:<width$}  {checked:>10}  {violations:>10}"
        );
        for example in &finding.examples {
            let _ = writeln!(text, "{:<4}  - {}", "", example.detail);
        }
        let told = finding.examples.len() as u64;
        if violations > told {
            let _ = writeln!(text, "{:<4}  - and {} more", "", violations - told);
        }
        for limit in audited.limits(finding.invariant) {
            let _ = writeln!(text, "{:<4}  not checked: {limit}", "");
        }
    }
    waiting(&report.waiting, &mut text);
    lost(audited, &mut text);
    let verdict = match (report.is_ok(), audited.part(), audited.has_log) {
        (true, None, true) => "every invariant holds".to_owned(),
        (true, None, false) => "every invariant holds but I8, which was not checked".to_owned(),
        (true, Some(part), _) => format!("what was checked holds, and that is a part ({part})"),
        (false, None, _) => "VIOLATED".to_owned(),
        (false, Some(part), _) => format!("VIOLATED; a part was checked ({part})"),
    };
    let (records, orders) = (report.records, report.orders);
    let _ = write!(
        text,
        "\n{records} records, {orders} orders, {} ms: {verdict}",
        elapsed.as_millis()
    );
    text
}

/// Orders whose deadline has passed and that are no violation.
fn waiting(waiting: &Waiting, text: &mut String) {
    let causes = [
        (waiting.not_served, "the shop is not running"),
        (waiting.suspended, "a link that they may wait for is behind"),
        (
            waiting.soon,
            "the shop has not been running for long enough since",
        ),
    ];
    for (orders, cause) in causes {
        if orders > 0 {
            let _ = writeln!(
                text,
                "\nwaiting: {orders} orders past their deadline; {cause}"
            );
        }
    }
    for (order, shard) in &waiting.examples {
        let _ = writeln!(text, "      - order {order} of {shard}");
    }
}

/// What a restore has made the journals forget.
fn lost(audited: &Audited, text: &mut String) {
    let lost = &audited.lost;
    if lost.total == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "\n{} public events that the journal no longer has, lost by a restore; no violation",
        lost.total
    );
    for event in lost.examples.iter().take(LOST_NAMED) {
        let (shard, position, event_type) = (event.shard, event.position, &event.event_type);
        let about = match event.aggregate_id {
            0 => String::new(),
            id => format!(" of {id}"),
        };
        let time = rfc_3339(event.time);
        let _ = writeln!(
            text,
            "      - {shard} position {position}: {event_type}{about}, {time}"
        );
    }
    let named = lost.examples.len().min(LOST_NAMED) as u64;
    if lost.total > named {
        let _ = writeln!(text, "      - and {} more", lost.total - named);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{
        Domain, ShardRef, Timestamp, Topology,
        invariants::{Checker, Scope},
    };
    use storage::LostEvents;

    use super::*;
    use crate::audit::scope::Asked;

    fn report(violations: u32) -> Audited {
        let mut checker = Checker::new(Topology::uniform(1), BTreeMap::new());
        checker.count(Invariant::I4, 12);
        for number in 0..violations {
            checker.check(Invariant::I4, false, || format!("order {number} is wrong"));
        }
        Audited {
            report: checker.finish(),
            has_log: true,
            asked: Asked::default(),
            archived_before: None,
            scope: Scope::default(),
            retained: Retained::default(),
            lost: LostEvents::default(),
        }
    }

    #[test]
    fn what_was_not_checked_and_what_was_lost_is_told() {
        let event = LostEvent {
            shard: ShardRef {
                domain: Domain::Orders,
                shard: 3,
            },
            incarnation: "00aa".to_owned(),
            position: 17,
            aggregate_id: 99,
            time: Timestamp::from_millis(0),
            event_type: "order.created.v1".to_owned(),
        };
        let audited = Audited {
            has_log: false,
            lost: LostEvents {
                total: 7,
                examples: vec![event; 6],
            },
            ..report(0)
        };
        let text = table(&audited, Duration::ZERO);
        for part in [
            "not checked\n      - there is no activity log",
            "7 public events that the journal no longer has",
            "- orders/3 position 17: order.created.v1 of 99, 1970-01-01T00:00:00.000Z",
            "- and 2 more",
            "every invariant holds but I8",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let value = json(&audited, Duration::ZERO);
        assert_eq!(value["ok"], true);
        assert_eq!(value["lost_events"]["total"], 7);
        assert_eq!(value["lost_events"]["events"][5]["position"], 17);
        assert_eq!(value["invariants"][7]["is_checked"], false);
        assert_eq!(value["invariants"][8]["is_checked"], true);
    }

    #[test]
    fn a_table_names_what_is_violated() {
        let text = table(&report(7), Duration::from_millis(5));
        assert!(text.contains("I10 ") && text.contains("VIOLATED"), "{text}");
        assert!(
            text.contains("- order 4 is wrong\n      - and 2 more"),
            "{text}"
        );
        assert!(!text.contains("order 5"), "{text}");
        let text = table(&report(0), Duration::from_millis(5));
        assert!(
            text.ends_with("0 records, 0 orders, 5 ms: every invariant holds"),
            "{text}"
        );
    }

    #[test]
    fn json_has_every_invariant() {
        let value = json(&report(7), Duration::from_millis(5));
        assert_eq!(value["ok"], false);
        assert_eq!(value["elapsed_ms"], 5);
        let invariants = value["invariants"].as_array().expect("a list");
        assert_eq!(invariants.len(), 10);
        assert_eq!(invariants[3]["id"], "I4");
        assert_eq!(invariants[3]["checked"], 19);
        assert_eq!(invariants[3]["violations"], 7);
        assert_eq!(invariants[3]["examples"][0], "order 0 is wrong");
        assert_eq!(json(&report(0), Duration::ZERO)["ok"], true);
    }
}

//! A run as tables.

use std::fmt::Write;

use super::summary::{QUANTILES, Summary, quantile_ms};
use crate::{
    burst::{expect::Name, measure::Outcome},
    finding::write_table,
};

/// Tables and a last line with the verdict. Writing into a string does not fail.
pub(in crate::burst) fn table(summary: &Summary) -> String {
    let mut text = String::new();
    write_setting(summary, &mut text);
    write_operations(summary, &mut text);
    write_books(summary, &mut text);
    write_expectations(summary, &mut text);
    let throughput = summary.figure(Name::Throughput).unwrap_or(0.0);
    let quantile = |at| match summary.quantile_ms(at) {
        Some(ms) => format!("{ms:.1} ms"),
        None => "-".to_owned(),
    };
    let _ = write!(
        text,
        "{}: {throughput:.0} orders a second, p50 {}, p99 {}, seed {}",
        summary.verdict(),
        quantile(0.5),
        quantile(0.99),
        summary.run.plan.seed
    );
    text
}

fn write_setting(summary: &Summary, text: &mut String) {
    let run = &summary.run;
    let _ = writeln!(
        text,
        "{}: {}, measured for {:.1} s after {:.1} s",
        run.url,
        run.plan.told(),
        summary.length.as_secs_f64(),
        run.plan.warm_up.as_secs_f64()
    );
    let _ = writeln!(
        text,
        "{} requests, {:.1} µs of the client's own processor each\n",
        run.measure.requests,
        summary.processor_us_per_request()
    );
}

fn write_operations(summary: &Summary, text: &mut String) {
    let _ = write!(
        text,
        "{:<14} {:<21} {:>9} {:>9}",
        "operation", "outcome", "count", "a second"
    );
    for (name, _) in QUANTILES {
        let _ = write!(text, " {:>10}", format!("{name} ms"));
    }
    text.push('\n');
    let seconds = summary.length.as_secs_f64();
    for row in summary.rows() {
        let count = row.latency_us.len();
        let rate = match seconds > 0.0 {
            true => count as f64 / seconds,
            false => 0.0,
        };
        let _ = write!(
            text,
            "{:<14} {:<21} {count:>9} {rate:>9.1}",
            row.operation.name(),
            row.outcome.name()
        );
        for (_, at) in QUANTILES {
            let _ = write!(text, " {:>10.3}", quantile_ms(row.latency_us, at));
        }
        text.push('\n');
    }
    let measure = &summary.run.measure;
    for (why, count) in &measure.errors {
        let _ = writeln!(text, "- {count} x {why}");
    }
    if measure.unsent > 0 {
        let _ = writeln!(text, "- {} were due and not sent in time", measure.unsent);
    }
    if !measure.lateness_us.is_empty() {
        let late = |at| quantile_ms(&measure.lateness_us, at);
        let _ = writeln!(
            text,
            "latencies are from the time that a request was due; it was sent p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms later",
            late(0.5),
            late(0.99),
            late(1.0)
        );
    }
    text.push('\n');
}

fn write_books(summary: &Summary, text: &mut String) {
    let run = &summary.run;
    let settled: Vec<String> = summary
        .settled
        .iter()
        .map(|(status, count)| format!("{count} {}", status.name()))
        .collect();
    let after = match run.observed.settled_after {
        Some(after) => format!("settled {:.1} s after the last answer", after.as_secs_f64()),
        None => format!("not all settled within {:?}", run.plan.settle_within),
    };
    let _ = writeln!(text, "orders: {}; {after}", settled.join(", "));
    write_table("books", &run.findings, text);
    text.push('\n');
}

fn write_expectations(summary: &Summary, text: &mut String) {
    let expectations = &summary.run.expectations;
    for expectation in expectations {
        let figure = summary.figure(expectation.name);
        let verdict = match expectation.is_met(figure) {
            true => "met",
            false => "not met",
        };
        let told = expectation.told(figure);
        let _ = writeln!(text, "expected {expectation}: {verdict}, {told}");
    }
    if !expectations.is_empty() {
        text.push('\n');
    }
}

/// Outcomes of which there was at least one, in any second.
pub(super) fn outcomes_seen(summary: &Summary) -> Vec<Outcome> {
    let seen = |outcome: &Outcome| {
        let seconds = summary.run.measure.seconds.iter();
        seconds.map(|second| second[*outcome as usize]).sum::<u64>() > 0
    };
    Outcome::ALL.into_iter().filter(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::report::summary::tests::summary;

    #[test]
    fn the_table_says_what_there_is_and_ends_with_the_verdict() {
        let text = table(&summary("--seed 5", &["errors=0"]));
        for part in [
            "closed loop of 64 connections",
            "order          confirmed                   100",
            "- 1 x order: 500 <internal>",
            "orders: 1 confirmed; settled 0.0 s",
            "B1   everything is there",
            "expected errors=0: not met, it was 1",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("FAIL: 10 orders a second, p50 50."),
            "{last}"
        );
        assert!(last.ends_with("seed 5"), "{last}");
    }
}

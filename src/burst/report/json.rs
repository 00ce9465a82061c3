//! A run as JSON.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::summary::{QUANTILES, Summary, quantile_ms};
use crate::{
    burst::{
        args::Wait,
        expect::Name,
        measure::{Outcome, Second},
        plan::Pace,
        schedule::Arrivals,
    },
    finding::Finding,
};

/// One document, of one line.
pub(in crate::burst) fn json(summary: &Summary) -> Value {
    let run = &summary.run;
    let rows = summary.rows().into_iter().map(|row| {
        json!({
            "operation": row.operation.name(),
            "outcome": row.outcome.name(),
            "count": row.latency_us.len(),
            "latency_ms": latency(row.latency_us),
        })
    });
    let findings = run.findings.iter().map(Finding::json);
    let expectations = run.expectations.iter().map(|expectation| {
        let figure = summary.figure(expectation.name);
        json!({
            "expectation": expectation.to_string(),
            "met": expectation.is_met(figure),
            "figure": figure,
        })
    });
    let settled = summary.settled.iter();
    let settled = settled.map(|(status, count)| (status.name().to_owned(), json!(count)));
    json!({
        "verdict": summary.verdict(),
        "failures": summary.failures(),
        "setting": setting(summary),
        "measured_s": summary.length.as_secs_f64(),
        "throughput": summary.figure(Name::Throughput),
        "confirmed_per_s": summary.rate(&[Outcome::Confirmed]),
        "accepted": summary.count(Name::Accepted),
        "confirmed": summary.count(Name::Confirmed),
        "sold_out": summary.count(Name::SoldOut),
        "errors": summary.count(Name::Errors),
        "refused": summary.count(Name::Refused),
        "unsent": run.measure.unsent,
        "latency_ms": latency(&summary.order_latency_us),
        "sent_late_ms": latency(&run.measure.lateness_us),
        "operations": rows.collect::<Vec<_>>(),
        "error_kinds": run.measure.errors,
        "per_second": summary.seconds().iter().map(second).collect::<Vec<_>>(),
        "orders": settled.collect::<Map<_, _>>(),
        "settled_after_ms": run.observed.settled_after.map(whole_millis),
        "violations": summary.violations(),
        "books": findings.collect::<Vec<_>>(),
        "expectations": expectations.collect::<Vec<_>>(),
        "requests": run.measure.requests,
        "own_processor_us_per_request": summary.processor_us_per_request(),
        "elapsed_ms": whole_millis(run.took),
    })
}

fn setting(summary: &Summary) -> Value {
    let plan = &summary.run.plan;
    let (rate, arrivals) = match plan.pace {
        Pace::Closed => (None, None),
        Pace::Open { rate, arrivals } => (Some(rate), Some(arrivals)),
    };
    let arrivals = arrivals.map(|arrivals| match arrivals {
        Arrivals::Poisson => "poisson",
        Arrivals::Even => "even",
    });
    let wait = match plan.wait {
        Wait::Outcome => "outcome",
        Wait::Accept => "accept",
    };
    json!({
        "url": summary.run.url,
        "scenario": plan.scenario.name(),
        "wait": wait,
        "rate": rate,
        "arrivals": arrivals,
        "connections": plan.connections,
        "threads": plan.threads,
        "warm_up_s": plan.warm_up.as_secs_f64(),
        "duration_s": plan.duration.as_secs_f64(),
        "attempts": plan.attempts,
        "users": plan.users,
        "products": plan.products,
        "stock": plan.stock,
        "idempotency_keys": plan.has_keys,
        "seed": plan.seed,
    })
}

/// Null where nothing was measured.
fn latency(latency_us: &Histogram<u64>) -> Value {
    if latency_us.is_empty() {
        return Value::Null;
    }
    let quantiles = QUANTILES.iter();
    let quantiles =
        quantiles.map(|(name, at)| ((*name).to_owned(), json!(quantile_ms(latency_us, *at))));
    Value::Object(quantiles.collect())
}

/// The outcomes of one second that there were.
fn second(second: &Second) -> Value {
    let counts = Outcome::ALL
        .iter()
        .map(|it| (it.name(), second[*it as usize]));
    let counts = counts.filter(|(_, count)| *count > 0);
    let counts = counts.map(|(name, count)| (name.to_owned(), json!(count)));
    Value::Object(counts.collect())
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::report::summary::tests::summary;

    #[test]
    fn json_says_what_there_is() {
        let value = json(&summary("--rate 10 --seed 5", &["errors=0", "p99<=1s"]));
        assert_eq!(value["verdict"], "FAIL");
        assert_eq!(value["setting"]["rate"], 10.0);
        assert_eq!(value["setting"]["seed"], 5);
        assert_eq!(value["errors"], 1);
        assert_eq!(value["expectations"][0]["met"], false);
        assert_eq!(value["expectations"][1]["met"], true);
        assert_eq!(value["per_second"].as_array().unwrap().len(), 10);
        assert_eq!(value["operations"][0]["outcome"], "confirmed");
        assert_eq!(value["orders"]["confirmed"], 1);
        assert_eq!(value["settled_after_ms"], 20);
    }
}

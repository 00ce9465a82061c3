//! A run as one page of HTML that needs nothing else: no script, no style sheet, no image of its own.

use anyhow::{Context, Result};
use minijinja::{Environment, Value, context};

use super::{
    plots,
    summary::{QUANTILES, Summary, exact, quantile_ms},
    table::outcomes_seen,
};
use crate::burst::{expect::Name, measure::Outcome};

/// The name decides that everything is escaped.
const NAME: &str = "page.html";
const PAGE: &str = include_str!("page.html");

/// The page.
pub(in crate::burst) fn html(summary: &Summary) -> Result<String> {
    let mut environment = Environment::new();
    environment.add_template(NAME, PAGE)?;
    let run = &summary.run;
    let plan = &run.plan;
    let plots = [plots::throughput(summary)?, plots::percentiles(summary)?];
    let [throughput, percentiles] = plots.map(Value::from_safe_string);
    let page = context! {
        verdict => summary.verdict(),
        failures => summary.failures(),
        url => run.url.as_str(),
        told => plan.told(),
        figures => figures(summary),
        settings => settings(summary),
        throughput,
        percentiles,
        legend => legend(summary),
        outcomes => bars(summary),
        quantiles => QUANTILES.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        operations => operations(summary),
        errors => errors(summary),
        findings => findings(summary),
        expectations => expectations(summary),
        stampede => env!("CARGO_PKG_VERSION"),
    };
    let template = environment.get_template(NAME)?;
    template
        .render(page)
        .context("the HTML report cannot be made")
}

/// What is seen first: a name and a figure.
fn figures(summary: &Summary) -> Vec<(String, String)> {
    let ms = |at| match summary.quantile_ms(at) {
        Some(ms) => format!("{ms:.1} ms"),
        None => "-".to_owned(),
    };
    let count = |name| format!("{:.0}", summary.figure(name).unwrap_or(0.0));
    [
        ("orders a second", count(Name::Throughput)),
        ("p50", ms(0.5)),
        ("p99", ms(0.99)),
        ("p99.9", ms(0.999)),
        ("errors", count(Name::Errors)),
        ("refused", count(Name::Refused)),
        ("unsent", count(Name::Unsent)),
        ("violations", count(Name::Violations)),
    ]
    .map(|(name, figure)| (name.to_owned(), figure))
    .into()
}

fn settings(summary: &Summary) -> Vec<(String, String)> {
    let run = &summary.run;
    let plan = &run.plan;
    let orders: Vec<String> = summary
        .settled
        .iter()
        .map(|(status, count)| format!("{count} {}", status.name()))
        .collect();
    let settled = match run.observed.settled_after {
        Some(after) => format!("{:.1} s after the last answer", after.as_secs_f64()),
        None => "not all of them".to_owned(),
    };
    let keys = if plan.has_keys { "yes" } else { "no" };
    let lateness = &run.measure.lateness_us;
    [
        ("shop", run.url.clone()),
        ("scenario", plan.told()),
        ("measured", format!("{:.1} s", summary.length.as_secs_f64())),
        ("warm-up", format!("{:.1} s", plan.warm_up.as_secs_f64())),
        ("buyers", plan.users.to_string()),
        (
            "products",
            format!("{}, {} pieces each", plan.products, plan.stock),
        ),
        ("idempotency keys", keys.to_owned()),
        ("seed", plan.seed.to_string()),
        ("orders in the end", orders.join(", ")),
        ("settled", settled),
        ("requests", run.measure.requests.to_string()),
        (
            "sent after it was due",
            format!(
                "p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
                quantile_ms(lateness, 0.5),
                quantile_ms(lateness, 0.99),
                quantile_ms(lateness, 1.0)
            ),
        ),
        (
            "client's own processor",
            format!("{:.1} µs a request", summary.processor_us_per_request()),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn legend(summary: &Summary) -> Vec<(&'static str, String)> {
    let seen = outcomes_seen(summary).into_iter();
    seen.map(|outcome| (outcome.name(), plots::css_colour(outcome)))
        .collect()
}

/// How many requests had which outcome: name, colour, count, per cent of the most frequent one.
fn bars(summary: &Summary) -> Vec<(&'static str, String, u64, String)> {
    let count = |outcome| summary.run.measure.count(None, outcome);
    let most = Outcome::ALL
        .into_iter()
        .map(count)
        .max()
        .unwrap_or(0)
        .max(1);
    let outcomes = Outcome::ALL.into_iter().filter(|it| count(*it) > 0);
    outcomes
        .map(|outcome| {
            let per_cent = 100.0 * exact(count(outcome)) / exact(most);
            let colour = plots::css_colour(outcome);
            (
                outcome.name(),
                colour,
                count(outcome),
                format!("{per_cent:.2}"),
            )
        })
        .collect()
}

fn operations(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.rows().into_iter();
    rows.map(|row| {
        let mut cells = vec![
            row.operation.name().to_owned(),
            row.outcome.name().to_owned(),
            row.latency_us.len().to_string(),
        ];
        let quantiles = QUANTILES.iter();
        cells.extend(quantiles.map(|(_, at)| format!("{:.3}", quantile_ms(row.latency_us, *at))));
        cells
    })
    .collect()
}

fn errors(summary: &Summary) -> Vec<(String, u64)> {
    let errors = summary.run.measure.errors.iter();
    errors.map(|(why, count)| (why.clone(), *count)).collect()
}

fn findings(summary: &Summary) -> Vec<Value> {
    let findings = summary.run.findings.iter();
    findings
        .map(|finding| {
            context! {
                id => finding.id,
                statement => finding.statement,
                checked => finding.checked,
                violations => finding.violations,
                examples => finding.examples.clone(),
            }
        })
        .collect()
}

fn expectations(summary: &Summary) -> Vec<Value> {
    let expectations = summary.run.expectations.iter();
    expectations
        .map(|expectation| {
            let figure = summary.figure(expectation.name);
            context! {
                text => expectation.to_string(),
                met => expectation.is_met(figure),
                told => expectation.told(figure),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::report::summary::tests::summary;

    #[test]
    fn the_page_needs_nothing_else() {
        let page = html(&summary("", &["errors=0"])).unwrap();
        for outside in [
            "<script", "<link", "<img", " src=", " href=", "url(", "@import", "onload",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg ").count(), 4, "two plots and two bars");
        assert!(page.contains("prefers-color-scheme: dark"));
        assert!(page.contains("errors=0") && page.contains("FAIL"));
    }

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        let mut summary = summary("", &[]);
        let finding = &mut summary.run.findings[0];
        finding.check(false, || "<script>alert('x')</script>".to_owned());
        let page = html(&summary).unwrap();
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("500 &lt;internal&gt;"), "{page}");
        assert!(!page.contains("/?<&>"), "{page}");
    }
}

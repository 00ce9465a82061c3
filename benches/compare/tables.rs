//! What is printed, and what is written down.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::bars::{self, Bar, Promise};
use crate::figures::{BUSY_BEFORE, Figures, short};
use crate::machine::Facts;

/// Processors in use by somebody else, in percent, from which on figures are not to be trusted.
const BUSY_MAX: f64 = 10.0;

/// Prints everything as Markdown.
pub(crate) fn print(machine: &Facts, figures: &Figures, measured: Duration) {
    for (name, fact) in machine {
        println!("- {name}: {fact}");
    }
    let rounds = figures.rounds().len();
    println!("- medians of {rounds} rounds; each figure of rates was measured for {measured:?}");
    let busy = figures.rounds().iter().filter_map(|it| it.get(BUSY_BEFORE));
    let busiest = busy.fold(0.0, f64::max);
    if busiest > BUSY_MAX {
        println!(
            "- **the machine was not quiet**: before a round, others used up to {busiest:.0} % of its processors"
        );
    }
    println!("\n| bar | promised | measured | met? |\n|---|---|---|---|");
    for bar in bars::judge(figures) {
        println!("{}", line(&bar));
    }
    println!("\n| figure | median | lowest | highest |\n|---|---|---|---|");
    for name in names(figures) {
        let values = || figures.rounds().iter().filter_map(|it| it.get(&name));
        println!(
            "| {name} | {} | {} | {} |",
            short(figures.median(|it| it.get(&name)).unwrap_or(f64::NAN)),
            short(values().fold(f64::INFINITY, f64::min)),
            short(values().fold(f64::NEG_INFINITY, f64::max)),
        );
    }
    println!("\n| run | who | processor time for an order, µs |\n|---|---|---|");
    for (run, who) in users_of_processors(figures) {
        let median = figures.median(|round| round.processor(&run, who));
        println!("| {run} | {who} | {} |", short(median.unwrap_or(f64::NAN)));
    }
}

fn line(bar: &Bar) -> String {
    let promised = match bar.promise {
        Promise::AtLeast(ratio) => format!(">= {ratio}"),
        Promise::AtMost(ratio) => format!("<= {ratio}"),
    };
    let met = match bar.promise.is_kept_by(bar.ratio) {
        true => "yes",
        false => "**no**",
    };
    format!("| {} | {promised} | {:.2} | {met} |", bar.what, bar.ratio)
}

fn names(figures: &Figures) -> BTreeSet<String> {
    let rounds = figures.rounds().iter();
    rounds
        .flat_map(|round| round.names().map(str::to_owned))
        .collect()
}

fn users_of_processors(figures: &Figures) -> BTreeSet<(String, &'static str)> {
    let rounds = figures.rounds().iter();
    rounds
        .flat_map(|round| {
            let users = round.users_of_processors();
            users.map(|(run, who)| (run.to_owned(), who))
        })
        .collect()
}

/// Writes the figures of every round.
pub(crate) fn write_json(
    path: &Path,
    machine: &Facts,
    figures: &Figures,
    measured: Duration,
) -> anyhow::Result<()> {
    let machine: serde_json::Map<String, Value> = machine
        .iter()
        .map(|(name, fact)| ((*name).to_owned(), json!(fact)))
        .collect();
    let names = names(figures).into_iter().map(|name| {
        let values: Vec<_> = figures.rounds().iter().map(|it| it.get(&name)).collect();
        (name, json!(values))
    });
    let processor: Vec<Value> = users_of_processors(figures)
        .into_iter()
        .map(|(run, who)| {
            let values: Vec<_> = figures
                .rounds()
                .iter()
                .map(|round| round.processor(&run, who))
                .collect();
            json!({"run": run, "who": who, "micros_per_order": values})
        })
        .collect();
    let bars: Vec<Value> = bars::judge(figures)
        .into_iter()
        .map(|bar| {
            let (kind, promised) = match bar.promise {
                Promise::AtLeast(ratio) => ("at_least", ratio),
                Promise::AtMost(ratio) => ("at_most", ratio),
            };
            let is_met = bar.promise.is_kept_by(bar.ratio);
            json!({"bar": bar.what, kind: promised, "measured": bar.ratio, "met": is_met})
        })
        .collect();
    let report = json!({
        "machine": machine,
        "seconds": measured.as_secs(),
        "bars": bars,
        "figures_by_round": names.collect::<serde_json::Map<_, _>>(),
        "processor_by_round": processor,
    });
    fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

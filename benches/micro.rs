//! What the parts cost: `cargo bench --bench micro [-- FILTER]`.
//!
//! Deciding and evolving, the bytes of messages and where they go, tokens, the journal by size of batch, an order through
//! the actors. The journal on PostgreSQL is measured where `scripts/services env` says that there is one.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "micro/aggregates.rs"]
mod aggregates;
#[path = "compare/database.rs"]
#[allow(dead_code, reason = "the comparison needs more of it")]
mod database;
#[path = "micro/journal.rs"]
mod journal;
#[path = "micro/messages.rs"]
mod messages;
#[path = "micro/orders.rs"]
mod orders;
#[path = "micro/sample.rs"]
mod sample;
#[path = "compare/servers.rs"]
#[allow(dead_code, reason = "the comparison needs more of it")]
mod servers;
mod support;
#[path = "micro/tokens.rs"]
mod tokens;

use criterion::Criterion;

fn main() {
    // `cargo test` runs benchmarks too, without this, and would open shops and databases.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without `cargo bench`");
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    aggregates::measure(&mut criterion);
    messages::measure(&mut criterion);
    tokens::measure(&mut criterion);
    journal::measure(&mut criterion);
    orders::measure(&mut criterion);
    criterion.final_summary();
}

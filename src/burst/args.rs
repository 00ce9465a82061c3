//! What can be said on the command line.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::{expect::Expectation, scenario::Scenario, schedule::Arrivals};

/// Let a crowd order from a running shop, measure what it takes, and check the books. Exit code 0: everything was as
/// expected; 1: an expectation was not met, or the books do not balance; 2: it could not run.
///
/// It registers its own buyers and makes its own products, under names that no other run uses, and leaves them there.
/// Without --rate every connection orders again as soon as it has its answer (closed loop): that finds out how much the
/// shop can do. With --rate orders come when they come, whether or not the shop keeps up (open loop), and latencies are
/// taken from the moment at which an order was meant to be sent: that finds out how the shop is for its buyers.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shop. Plain http only: where TLS is ended by something before the shop, use an address behind it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(super) url: String,
    /// A file with the password of the user `admin`, who makes the products.
    #[arg(long, value_name = "FILE")]
    pub(super) admin_password_file: PathBuf,

    /// What is asked for.
    #[arg(long, value_enum, default_value = "uniform")]
    pub(super) scenario: Scenario,
    /// What an order is measured to: its outcome (201, 409), or that it is accepted (202), in which case how it was
    /// settled is looked up after the run.
    #[arg(long, value_enum, default_value = "outcome")]
    pub(super) wait: Wait,

    /// Connections, each with one request in flight at most [default: 64, with --rate 512].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(super) connections: Option<u32>,
    /// Send so many orders a second (with `mixed`: requests), whenever they are answered. What finds all connections
    /// busy is sent late, and that counts as its latency; what cannot be sent until a second after the end is `unsent`.
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    pub(super) rate: Option<f64>,
    /// With --rate: how orders are spaced.
    #[arg(long, value_enum, default_value = "poisson", requires = "rate")]
    pub(super) arrivals: Arrivals,
    /// For how long it is measured, such as 500ms, 30s, 2m or 1h [default: 30s; `drop`: until every buyer has tried,
    /// for 10m at most].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// For how long the same is done before, unmeasured [default: 2s, `drop`: 0s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) warm_up: Option<Duration>,

    /// Buyers. Each costs the shop two password hashes before the run, some 40 ms of a processor each.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) users: u32,
    /// Products that `uniform` and `mixed` choose from [default: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) products: Option<u32>,
    /// Pieces of each product in the beginning [default: more than can be sold, `drop`: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=STOCK_MAX))]
    pub(super) stock: Option<u64>,
    /// How many orders of one piece `drop` tries to place [default: 100000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(super) attempts: Option<u64>,
    /// Send orders without an Idempotency-Key.
    #[arg(long)]
    pub(super) no_idempotency_key: bool,

    /// Threads that send, each with its share of the connections.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) threads: u32,
    /// What orders and the times between them are drawn from; one at random unless told otherwise. It is always said.
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// How long orders may take to settle after the run.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_duration)]
    pub(super) settle_within: Duration,

    /// What has to be so, or the exit code is 1; may be given several times: NAME, one of >= <= > < =, and a value, as
    /// in 'throughput>=5000', 'p99<=50ms', 'errors=0'. The names: `throughput` (orders a second that were confirmed,
    /// accepted or told that it is sold out); `accepted`, `confirmed`, `sold-out` (how many orders were answered 201 or
    /// 202; 201; 409 out_of_stock); `p50`, `p90`, `p99`, `p999`, `max` (latency of the orders that `throughput` counts,
    /// with ms, s or us); `errors` (requests without an answer, or with one that the shop must not give); `refused`
    /// (429 and 503); `unsent` (what --rate asked for and could not be sent); `violations` (of the books; any at all
    /// fails the run anyway).
    #[arg(long, value_name = "EXPECTATION")]
    pub(super) expect: Vec<Expectation>,
    /// Print JSON instead of tables, and show no progress.
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report with plots to this file: one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// The most pieces that a product is given.
const STOCK_MAX: u64 = 1_000_000_000;
/// The most orders a second that are asked for.
const RATE_MAX: f64 = 1_000_000.0;

/// Until when an order is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// Until its outcome is known.
    Outcome,
    /// Until it is accepted.
    Accept,
}

/// A number with its unit.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let seconds = UNITS.iter().find(|(name, _)| *name == unit);
    let (Ok(number), Some((_, seconds))) = (number.parse::<f64>(), seconds) else {
        return Err("it is no time such as 500ms, 30s, 2m or 1h".to_owned());
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| "it is too long".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
        _ => Err(format!("it is no number above 0 and up to {RATE_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1d",
            "1..2s",
            "30 s",
            "99999999999999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_above_zero() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for text in ["0", "-3", "NaN", "inf", "many", "1000001"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}

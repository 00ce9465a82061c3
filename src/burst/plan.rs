//! A run, once everything that was not said has its default.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    args::{Args, Wait},
    scenario::{Draw, Scenario},
    schedule::Arrivals,
};

const CONNECTIONS_CLOSED: u32 = 64;
const CONNECTIONS_OPEN: u32 = 512;
const DURATION: Duration = Duration::from_secs(30);
const DROP_DURATION_MAX: Duration = Duration::from_secs(600);
const WARM_UP: Duration = Duration::from_secs(2);
const PRODUCTS: u32 = 1_000;
/// What no run can sell out.
const STOCK_ENDLESS: u64 = 1_000_000_000;
const DROP_STOCK: u64 = 1_000;
const DROP_ATTEMPTS: u64 = 100_000;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) scenario: Scenario,
    pub(super) pace: Pace,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// It ends after so many orders.
    pub(super) attempts: Option<u64>,
    pub(super) wait: Wait,
    pub(super) users: u32,
    pub(super) products: u32,
    pub(super) stock: u64,
    pub(super) seed: u64,
    pub(super) has_keys: bool,
    pub(super) settle_within: Duration,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// Once the one before is answered.
    Closed,
    /// So many a second.
    Open { rate: f64, arrivals: Arrivals },
}

impl Plan {
    /// The run that is asked for.
    ///
    /// # Errors
    /// If what is asked for does not fit together.
    pub(super) fn of(args: &Args) -> Result<Self> {
        let scenario = args.scenario;
        let (name, is_drop) = (scenario.name(), scenario == Scenario::Drop);
        ensure!(
            args.products.is_none() || !scenario.has_one_product(),
            "--products: the scenario {name} has one product"
        );
        ensure!(
            args.attempts.is_none() || is_drop,
            "--attempts: the scenario {name} ends after --duration"
        );
        let pace = match args.rate {
            Some(rate) => Pace::Open {
                rate,
                arrivals: args.arrivals,
            },
            None => Pace::Closed,
        };
        let connections = args.connections.unwrap_or(match pace {
            Pace::Closed => CONNECTIONS_CLOSED,
            Pace::Open { .. } => CONNECTIONS_OPEN,
        });
        ensure!(
            args.threads <= connections,
            "--threads: more threads than connections"
        );
        let either = |of_drop, of_others| if is_drop { of_drop } else { of_others };
        let duration = either(DROP_DURATION_MAX, DURATION);
        let duration = args.duration.unwrap_or(duration);
        ensure!(!duration.is_zero(), "--duration: it must be above 0");
        Ok(Self {
            scenario,
            pace,
            connections,
            threads: args.threads,
            warm_up: args.warm_up.unwrap_or(either(Duration::ZERO, WARM_UP)),
            duration,
            attempts: is_drop.then(|| args.attempts.unwrap_or(DROP_ATTEMPTS)),
            wait: args.wait,
            users: args.users,
            products: match scenario.has_one_product() {
                true => 1,
                false => args.products.unwrap_or(PRODUCTS),
            },
            stock: args.stock.unwrap_or(match is_drop {
                true => DROP_STOCK,
                false => STOCK_ENDLESS,
            }),
            seed: args.seed.unwrap_or_else(rand::random),
            has_keys: !args.no_idempotency_key,
            settle_within: args.settle_within,
        })
    }

    /// What its turns are drawn from.
    pub(super) const fn draw(&self) -> Draw {
        Draw {
            scenario: self.scenario,
            seed: self.seed,
            buyers: self.users,
            products: self.products,
        }
    }

    /// How it is done, for people.
    pub(super) fn told(&self) -> String {
        let (name, connections) = (self.scenario.name(), self.connections);
        match self.pace {
            Pace::Closed => format!("{name}, closed loop of {connections} connections"),
            Pace::Open { rate, arrivals } => {
                let spacing = match arrivals {
                    Arrivals::Poisson => "at random (Poisson)",
                    Arrivals::Even => "evenly spaced",
                };
                format!(
                    "{name}, open loop of {rate} a second, {spacing}, up to {connections} connections"
                )
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    pub(crate) fn plan(flags: &str) -> Result<Plan> {
        let beginning = ["burst", "--admin-password-file", "F"].into_iter();
        let cli = Cli::try_parse_from(beginning.chain(flags.split_whitespace()))?;
        Plan::of(&cli.args)
    }

    #[test]
    fn each_scenario_has_its_defaults() {
        let uniform = plan("").unwrap();
        assert_eq!((uniform.connections, uniform.products), (64, 1_000));
        assert_eq!((uniform.attempts, uniform.warm_up), (None, WARM_UP));
        let launch = plan("--scenario drop --rate 50").unwrap();
        assert_eq!((launch.connections, launch.products), (512, 1));
        assert_eq!((launch.attempts, launch.stock), (Some(100_000), 1_000));
        assert_eq!(launch.warm_up, Duration::ZERO);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (flags, reason) in [
            ("--scenario hot --products 5", "has one product"),
            ("--attempts 5", "ends after --duration"),
            ("--connections 1 --threads 2", "more threads"),
            ("--duration 0s", "above 0"),
            ("--arrivals even", "--rate"),
            ("--expect p99<=50", "is no time"),
        ] {
            let error = format!("{:#}", plan(flags).unwrap_err());
            assert!(error.contains(reason), "{flags}: {error}");
        }
    }
}

//! Runs simulated shops for as long as one likes, and reports what was found.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use sim::world::{
    Outcome,
    mutation::Mutation,
    plan::{Fault, Options},
    run,
};

/// How often it is told how far it has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Seeds that failed and are listed.
const FAILED_SHOWN_MAX: usize = 20;

/// Simulate shops under faults, each drawn from its seed. Exit code 0: nothing was violated; 1: something was.
#[derive(Parser, Debug)]
struct Args {
    /// Run this seed only, and say what it found.
    #[arg(long, conflicts_with_all = ["first_seed", "seeds", "orders", "seconds"])]
    seed: Option<u64>,
    /// With --seed: print everything that happened.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// So many seeds. Without any bound: 1,000.
    #[arg(long)]
    seeds: Option<u64>,
    /// Until so many orders were placed.
    #[arg(long)]
    orders: Option<u64>,
    /// For so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Threads; as many as there are cores if it is not said.
    #[arg(long)]
    threads: Option<usize>,
    /// Break a rule, to see it noticed: one of reply-before-commit, watermark-outside-transaction,
    /// watermark-without-head, load-before-claim, no-prev, no-healing, gap-skipped, highest-acknowledgement,
    /// rebuild-before-commit, memory-kept, stale-generation, message-per-line, dead-letter-passed, ids-from-clock,
    /// hasty-deadline.
    #[arg(long, value_parser = mutation)]
    mutation: Option<Mutation>,
}

fn mutation(name: &str) -> Result<Mutation, String> {
    let mut all = Mutation::ALL.into_iter();
    all.find(|mutation| mutation.name() == name)
        .ok_or_else(|| "there is no rule of that name".to_owned())
}

/// What many runs came to.
#[derive(Default)]
struct Totals {
    seeds: u64,
    orders: u64,
    records: u64,
    commits: u64,
    steps: u64,
    simulated_ms: u64,
    put_off: u64,
    settled: BTreeMap<&'static str, u64>,
    faults: BTreeMap<Fault, u64>,
    failed: Vec<(u64, String)>,
}

impl Totals {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.orders += outcome.orders;
        self.records += outcome.records;
        self.commits += outcome.commits;
        self.steps += outcome.steps;
        self.simulated_ms += outcome.simulated_ms;
        self.put_off += outcome.put_off;
        for (end, count) in outcome.settled {
            *self.settled.entry(end).or_default() += count;
        }
        for (fault, count) in outcome.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        if let Some(violation) = outcome.violations.into_iter().next() {
            self.failed.push((seed, violation));
        }
    }

    fn table(&self, elapsed: Duration) -> String {
        let hours = self.simulated_ms / 3_600_000;
        let mut lines = vec![
            format!("seeds                       {:>12}", self.seeds),
            format!("orders                      {:>12}", self.orders),
        ];
        let settled = self.settled.iter();
        lines.extend(settled.map(|(end, count)| format!("  {end:<26}{count:>12}")));
        lines.extend([
            format!("records                     {:>12}", self.records),
            format!("transactions                {:>12}", self.commits),
            format!("told to come back           {:>12}", self.put_off),
            format!("steps                       {:>12}", self.steps),
            format!("simulated hours             {hours:>12}"),
            "faults".to_owned(),
        ]);
        let faults = self.faults.iter();
        lines.extend(faults.map(|(fault, count)| format!("  {:<26}{count:>12}", fault.name())));
        lines.push(format!(
            "violations                  {:>12}",
            self.failed.len()
        ));
        for (seed, violation) in self.failed.iter().take(FAILED_SHOWN_MAX) {
            lines.push(format!("  seed {seed}: {violation}"));
        }
        lines.push(format!("{:.0} s", elapsed.as_secs_f64()));
        lines.join("\n")
    }
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    match args.seed {
        Some(seed) => one(seed, &args),
        None => many(&args),
    }
}

fn one(seed: u64, args: &Args) -> io::Result<ExitCode> {
    let options = Options {
        mutation: args.mutation,
        trace: args.trace,
        ..Options::default()
    };
    let begun = Instant::now();
    let outcome = run(seed, options);
    let is_clean = outcome.violations.is_empty();
    let mut out = io::stdout().lock();
    for line in outcome.trace.iter().chain(&outcome.violations) {
        writeln!(out, "{line}")?;
    }
    let mut totals = Totals::default();
    totals.add(seed, outcome);
    writeln!(out, "{}", totals.table(begun.elapsed()))?;
    Ok(code(is_clean))
}

fn many(args: &Args) -> io::Result<ExitCode> {
    let begun = Instant::now();
    let is_bounded = args.seeds.or(args.orders).or(args.seconds).is_some();
    let seeds = args
        .seeds
        .unwrap_or(if is_bounded { u64::MAX } else { 1_000 });
    let next = AtomicU64::new(0);
    let totals = Mutex::new(Totals::default());
    let is_over = |totals: &Totals| {
        args.orders.is_some_and(|orders| totals.orders >= orders)
            || (args.seconds).is_some_and(|seconds| begun.elapsed().as_secs() >= seconds)
    };
    let threads = match args.threads {
        Some(threads) => threads.max(1),
        None => thread::available_parallelism()?.get(),
    };
    let told = Mutex::new(Instant::now());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= seeds || is_over(&lock(&totals)) {
                        return;
                    }
                    let seed = args.first_seed.wrapping_add(nth);
                    let options = Options {
                        mutation: args.mutation,
                        ..Options::default()
                    };
                    let outcome = run(seed, options);
                    let mut totals = lock(&totals);
                    totals.add(seed, outcome);
                    tell(&totals, &told);
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    writeln!(io::stdout().lock(), "{}", totals.table(begun.elapsed()))?;
    Ok(code(totals.failed.is_empty()))
}

/// Says now and then how far it has come.
fn tell(totals: &Totals, told: &Mutex<Instant>) {
    let mut told = lock(told);
    if told.elapsed() >= PROGRESS_EVERY {
        *told = Instant::now();
        let (seeds, orders, failed) = (totals.seeds, totals.orders, totals.failed.len());
        // Nobody may be listening.
        let _ = writeln!(
            io::stderr().lock(),
            "{seeds} seeds, {orders} orders, {failed} with violations"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn code(is_clean: bool) -> ExitCode {
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

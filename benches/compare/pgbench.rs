//! Orders in plain SQL on PostgreSQL, driven by `pgbench`, on Stampede's own tables and indexes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::Topology;
use storage::postgres::{PostgresOptions, migrate};
use tempfile::TempDir;

use crate::database::Database;
use crate::figures::Round;
use crate::servers::Servers;
use crate::{commits, interrupt, rows};

/// Shards of a domain: the default of a cluster.
pub(crate) const SHARDS: u16 = 16;
/// Clients that write batches. More do not write more on few processors.
const BATCH_CLIENTS: usize = 4;
/// Orders of a batch, as `batch.sql` has it.
const ORDERS_OF_A_BATCH: f64 = 100.0;
/// Processors that `pgbench` itself may use.
const THREADS: &str = "1";
const PROGRAM: &str = "STAMPEDE_COMPARE_PGBENCH";
const TPS: &str = "tps = ";

/// A way to write an order.
pub(crate) struct Form {
    name: &'static str,
    text: &'static str,
}

/// All in one statement: the fastest that a transaction per order can be.
pub(crate) const ONE_STATEMENT: Form = Form {
    name: "one statement",
    text: include_str!("one_statement.sql"),
};
/// As programs are mostly written.
pub(crate) const STATEMENTS: Form = Form {
    name: "a transaction of statements",
    text: include_str!("statements.sql"),
};
/// Less than Stampede writes.
const WITHOUT_HEADS: Form = Form {
    name: "one statement, without heads",
    text: include_str!("without_heads.sql"),
};
const BATCH: &str = include_str!("batch.sql");

/// Which product is ordered, and by how many at a time.
pub(crate) struct Case {
    name: &'static str,
    clients: usize,
    products: usize,
}

/// Any of a thousand, 16 clients.
pub(crate) const UNIFORM_16: Case = Case {
    name: "uniform, 16 clients",
    clients: 16,
    products: rows::PRODUCTS,
};
/// Always the same, 16 clients.
pub(crate) const HOT_16: Case = Case {
    name: "hot, 16 clients",
    clients: 16,
    products: 1,
};
/// Always the same, 64 clients.
pub(crate) const HOT_64: Case = Case {
    name: "hot, 64 clients",
    clients: 64,
    products: 1,
};

/// The name of a figure: orders a second.
pub(crate) fn figure(form: &Form, case: &Case) -> String {
    format!("SQL, {}, {}, orders/s", form.name, case.name)
}

/// The name of the ceiling's figure: orders a second.
pub(crate) fn batch_figure() -> String {
    format!("SQL, 100 orders a transaction, uniform, {BATCH_CLIENTS} clients, orders/s")
}

/// Makes a database, measures in it, and drops it.
pub(crate) fn measure(
    servers: &Servers,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    let name = format!("compare_sql_{:016x}", rand::random::<u64>());
    let database = Database::create(servers, &name)?;
    fill(&database)?;
    database.settle()?;
    database.wait_for(commits::postgres(&database, round))?;
    let bench = Bench::new(&database, servers, measured)?;
    for case in [UNIFORM_16, HOT_16, HOT_64] {
        for form in [ONE_STATEMENT, STATEMENTS, WITHOUT_HEADS] {
            interrupt::check()?;
            database.settle()?;
            let rate = bench.run(form.text, case.clients, case.products)?;
            round.say(figure(&form, &case), rate);
        }
    }
    interrupt::check()?;
    database.settle()?;
    let batches = bench.run(BATCH, BATCH_CLIENTS, rows::PRODUCTS)?;
    round.say(batch_figure(), batches * ORDERS_OF_A_BATCH);
    database.run(CHECK).context("the orders do not add up")
}

/// Fails unless every order has taken a piece and left its three records: a statement that finds no row is no error.
const CHECK: &str = "DO $$ BEGIN
    ASSERT (SELECT count(*) FROM orders.orders) = (SELECT sum(allocated) FROM products.products), 'pieces';
    ASSERT (SELECT count(*) FROM orders.journal) = 2 * (SELECT count(*) FROM orders.orders), 'records of orders';
    ASSERT (SELECT count(*) FROM products.journal) = (SELECT count(*) FROM orders.orders), 'records of products';
END $$";

/// Stampede's own schemas, with heads that are served and products.
fn fill(database: &Database) -> anyhow::Result<()> {
    let options = PostgresOptions::new(database.url());
    let topology = Topology::uniform(SHARDS);
    database.wait_for(async {
        migrate(&options, &topology, String::new)
            .await
            .context("the schemas cannot be made")
    })?;
    let (products, last_shard) = (rows::PRODUCTS + usize::from(SHARDS), SHARDS - 1);
    let (stock, now) = (rows::STOCK, rows::NOW_MS);
    let state = literal(&rows::bytes(rows::PRODUCT_STATE_BYTES));
    database.run(format!(
        "CREATE SCHEMA compare;
         CREATE SEQUENCE compare.orders CACHE 32;
         CREATE SEQUENCE compare.positions CACHE 32;
         INSERT INTO orders.head (shard, epoch, owner, last_position, revision, last_id)
         SELECT shard, 1, 'compare', 0, 0, (shard + 1)::bigint << 40 FROM generate_series(0, {last_shard}) AS shard;
         INSERT INTO products.head (shard, epoch, owner, last_position, revision, last_id)
         SELECT shard, 1, 'compare', 0, 0, 0 FROM generate_series(0, {last_shard}) AS shard;
         INSERT INTO products.products
             (id, sku, name, folded, available, allocated, created_at_ms, version, state)
         SELECT id, 'LOAD-0123abcd-' || id, 'Load ' || id, 'load-0123abcd-' || id || E'\\nload ' || id,
             {stock}, 0, {now}, 1, '{state}'
         FROM generate_series(1, {products}) AS id;
         ANALYZE;"
    ))
}

/// Bytes as PostgreSQL reads them.
fn literal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// `pgbench` on a database.
struct Bench {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    seconds: String,
    /// Of scripts.
    home: TempDir,
}

impl Bench {
    fn new(database: &Database, servers: &Servers, measured: Duration) -> anyhow::Result<Self> {
        let options = database.options();
        // By variables: other users of the machine can read the command line.
        let url = reqwest::Url::parse(&servers.postgres_url)?;
        let environment = vec![
            ("PGHOST", options.get_host().to_owned()),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGPASSWORD", url.password().unwrap_or_default().to_owned()),
            ("PGDATABASE", database.name().to_owned()),
            (
                "PGOPTIONS",
                "-c synchronous_commit=on -c jit=off".to_owned(),
            ),
        ];
        Ok(Self {
            program: std::env::var_os(PROGRAM).map_or_else(|| "pgbench".into(), Into::into),
            environment,
            seconds: measured.as_secs().to_string(),
            home: TempDir::with_prefix("stampede-compare-")?,
        })
    }

    /// Transactions a second.
    fn run(&self, script: &str, clients: usize, products: usize) -> anyhow::Result<f64> {
        let path = self.home.path().join("script.sql");
        fs::write(&path, script)?;
        let output = self
            .command(&path, clients, products)
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let (printed, complaints) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.success(),
            "pgbench ended with {}: {complaints}",
            output.status
        );
        let rate = printed
            .lines()
            .find_map(|line| line.strip_prefix(TPS)?.split(' ').next())
            .with_context(|| {
                let seconds = &self.seconds;
                format!("no transaction of {clients} clients came to its end in {seconds} s")
            })?;
        Ok(rate.parse()?)
    }

    fn command(&self, script: &Path, clients: usize, products: usize) -> Command {
        let mut command = Command::new(&self.program);
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(["--no-vacuum", "--protocol=prepared", "--jobs", THREADS])
            .args(["--time", &self.seconds])
            .args(["--client", &clients.to_string()])
            .args(["--file".as_ref(), script.as_os_str()]);
        let sizes = [
            ("created", rows::CREATED_BYTES),
            ("confirmed", rows::CONFIRMED_BYTES),
            ("reserved", rows::RESERVED_BYTES),
            ("order_state", rows::ORDER_STATE_BYTES),
            ("product_state", rows::PRODUCT_STATE_BYTES),
        ];
        for (name, size) in sizes {
            let value = literal(&rows::bytes(size));
            command.arg(format!("--define={name}={value}"));
        }
        command
            .arg(format!("--define=products={products}"))
            .arg(format!("--define=shards={SHARDS}"))
            .arg(format!("--define=now={}", rows::NOW_MS));
        command
    }
}

//! What a transaction of one row costs, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::database::Database;
use crate::figures::{self, Round};
use crate::rows;

/// Transactions that are timed.
const COMMITS: usize = 2_000;
/// Payload of the row, in bytes.
const ROW_BYTES: usize = rows::CREATED_BYTES;

/// On SQLite, in a write-ahead log with `synchronous=FULL`.
pub(crate) fn sqlite(directory: &Path, round: &mut Round) -> anyhow::Result<()> {
    let home = tempfile::tempdir_in(directory)?;
    let connection = rusqlite::Connection::open(home.path().join("one.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE one (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
    )?;
    let mut insert = connection.prepare("INSERT INTO one (payload) VALUES (?)")?;
    let payload = rows::bytes(ROW_BYTES);
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        insert.execute([&payload])?;
        times.push(begun.elapsed());
    }
    let (p50, p99) = quantiles_ms(times);
    round.say(figures::SQLITE_COMMIT_P50, p50);
    round.say(figures::SQLITE_COMMIT_P99, p99);
    Ok(())
}

/// On PostgreSQL, over one connection.
pub(crate) async fn postgres(database: &Database, round: &mut Round) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(&database.options()).await?;
    sqlx::raw_sql(
        "SET synchronous_commit = on;
         CREATE TABLE compare.one (id bigserial PRIMARY KEY, payload bytea NOT NULL)",
    )
    .execute(&mut connection)
    .await
    .context("cannot make a table")?;
    let payload = rows::bytes(ROW_BYTES);
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        sqlx::query("INSERT INTO compare.one (payload) VALUES ($1)")
            .bind(&payload)
            .execute(&mut connection)
            .await?;
        times.push(begun.elapsed());
    }
    connection.close().await?;
    let (p50, p99) = quantiles_ms(times);
    round.say(figures::POSTGRES_COMMIT_P50, p50);
    round.say(figures::POSTGRES_COMMIT_P99, p99);
    Ok(())
}

fn quantiles_ms(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    (at(50), at(99))
}

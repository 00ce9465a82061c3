//! The schemas: which parts each is made of, and in which version each part is.
//!
//! A schema is made of parts, and each part has its steps. Every schema keeps in its table `migration` which step of
//! which part was applied and a digest of the step's text: a step that was applied anywhere is never edited, a new one
//! is added behind it.

use std::collections::BTreeMap;

use domain::Domain;
use sqlx::{AssertSqlSafe, PgConnection};

use super::errors;
use crate::StorageError;

/// The schema that the cluster shares, in the default database.
pub(super) const CLUSTER: &str = "cluster";

/// The steps of a part, from version 1 on.
struct Part {
    name: &'static str,
    steps: &'static [&'static str],
}

const CLUSTER_PART: Part = Part {
    name: "cluster",
    steps: &[include_str!(
        "../../migrations/postgres/cluster/0001_cluster.sql"
    )],
};
const JOURNAL: Part = Part {
    name: "journal",
    steps: &[
        include_str!("../../migrations/postgres/journal/0001_journal.sql"),
        include_str!("../../migrations/postgres/journal/0002_archived.sql"),
    ],
};
const USERS: Part = Part {
    name: "users",
    steps: &[include_str!(
        "../../migrations/postgres/auth/0001_users.sql"
    )],
};
const ORDERS: Part = Part {
    name: "orders",
    steps: &[include_str!(
        "../../migrations/postgres/orders/0001_orders.sql"
    )],
};
const PRODUCTS: Part = Part {
    name: "products",
    steps: &[include_str!(
        "../../migrations/postgres/products/0001_products.sql"
    )],
};
const NOTIFICATIONS: Part = Part {
    name: "notifications",
    steps: &[include_str!(
        "../../migrations/postgres/notifications/0001_notifications.sql"
    )],
};

/// The parts of a schema, in the order in which they are made.
fn parts(schema: &str) -> Vec<&'static Part> {
    match schema {
        CLUSTER => vec![&CLUSTER_PART],
        "auth" => vec![&JOURNAL, &USERS],
        "orders" => vec![&JOURNAL, &ORDERS],
        "products" => vec![&JOURNAL, &PRODUCTS],
        "notifications" => vec![&JOURNAL, &NOTIFICATIONS],
        _ => Vec::new(),
    }
}

/// The schema of a domain.
pub(super) const fn of(domain: Domain) -> &'static str {
    domain.name()
}

/// Versions of the parts of a schema that were applied, and whether each was made by the text that this program knows.
type Applied = BTreeMap<(String, i32), bool>;

/// Brings a schema up to date within the transaction of this connection. Returns what was applied.
pub(super) async fn upgrade(
    connection: &mut PgConnection,
    schema: &'static str,
) -> Result<Vec<String>, StorageError> {
    let prologue = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}; \
         CREATE TABLE IF NOT EXISTS migration (part text, version int, digest text NOT NULL, \
         applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (part, version))"
    );
    run(connection, prologue).await?;
    let applied = applied(connection, schema).await?;
    refuse_others(schema, &applied)?;
    let mut done = Vec::new();
    for part in parts(schema) {
        for (version, &text) in (1..).zip(part.steps) {
            if applied.contains_key(&(part.name.to_owned(), version)) {
                continue;
            }
            run(connection, text.to_owned()).await?;
            sqlx::query(
                "INSERT INTO migration (part, version, digest) \
                 VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))",
            )
            .bind(part.name)
            .bind(version)
            .bind(text)
            .execute(&mut *connection)
            .await
            .map_err(errors::classify)?;
            done.push(format!("{schema}: {} {version}", part.name));
        }
    }
    Ok(done)
}

/// Makes sure that a schema has exactly the parts and versions that this program knows.
pub(super) async fn check(
    connection: &mut PgConnection,
    schema: &'static str,
) -> Result<(), StorageError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}.migration"))
        .fetch_one(&mut *connection)
        .await
        .map_err(errors::classify)?;
    let applied = if there {
        applied(connection, schema).await?
    } else {
        Applied::new()
    };
    refuse_others(schema, &applied)?;
    for part in parts(schema) {
        for (version, _) in (1..).zip(part.steps) {
            if !applied.contains_key(&(part.name.to_owned(), version)) {
                return Err(StorageError::Mismatch(format!(
                    "schema {schema} lacks version {version} of {}; run `stampede migrate`",
                    part.name
                )));
            }
        }
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, text: String) -> Result<(), StorageError> {
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
        .map_err(errors::classify)
}

async fn applied(
    connection: &mut PgConnection,
    schema: &'static str,
) -> Result<Applied, StorageError> {
    let (mut names, mut versions, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts(schema) {
        for (version, &text) in (1..).zip(part.steps) {
            names.push(part.name);
            versions.push(version);
            texts.push(text);
        }
    }
    let sql = format!(
        "SELECT m.part, m.version, \
         coalesce(m.digest = encode(sha256(convert_to(known.text, 'UTF8')), 'hex'), false) \
         FROM {schema}.migration m \
         LEFT JOIN unnest($1::text[], $2::int[], $3::text[]) AS known (part, version, text) \
         USING (part, version)"
    );
    let rows: Vec<(String, i32, bool)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(names)
        .bind(versions)
        .bind(texts)
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    Ok(rows
        .into_iter()
        .map(|(part, version, same)| ((part, version), same))
        .collect())
}

/// Refuses a schema with steps that this program does not know, or knows differently.
fn refuse_others(schema: &str, applied: &Applied) -> Result<(), StorageError> {
    let known = |name: &str, version: i32| {
        parts(schema).iter().any(|part| {
            part.name == name && usize::try_from(version).is_ok_and(|v| v <= part.steps.len())
        })
    };
    for ((part, version), same) in applied {
        if !known(part, *version) {
            return Err(StorageError::Mismatch(format!(
                "schema {schema} was made by a newer version of the program (it has version {version} of {part})"
            )));
        }
        if !same {
            return Err(StorageError::Mismatch(format!(
                "schema {schema} was made by another program (version {version} of {part} differs)"
            )));
        }
    }
    Ok(())
}

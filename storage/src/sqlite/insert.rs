//! Many rows in one statement.
//!
//! Every statement is a trip to the connection's thread, so rows go in groups. The sizes of the groups are fixed, so
//! that each statement is prepared once and kept. A group that is not full is filled up with rows of which nothing is
//! bound: their first column is NULL and the statement leaves them out. (Rows handed over as one JSON text and taken
//! apart by `json_each`, with payloads in hexadecimal or in one blob, took twice the time.)

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

/// Rows of one statement, ascending.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// One kind of statement, in all sizes.
pub(super) struct ManyRows {
    columns: usize,
    statements: [Arc<str>; SIZES.len()],
}

impl ManyRows {
    /// `INSERT INTO {table and columns} … {on_conflict}`. The first column must not be NULL.
    pub(super) fn insert(into: &str, columns: usize, on_conflict: &str) -> Self {
        // Without a constraint that ends the whole transaction, SQLite would copy each page that it changes, to be able
        // to take back this statement alone.
        Self::around(
            columns,
            &format!("INSERT OR ROLLBACK INTO {into} SELECT * FROM ("),
            &format!(") WHERE column1 IS NOT NULL {on_conflict}"),
        )
    }

    /// `{before} VALUES (?, …), … {after}`. Rows that are all NULL must not matter to it.
    pub(super) fn around(columns: usize, before: &str, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let statements = SIZES.map(|size| {
            let rows = vec![row.as_str(); size].join(",");
            format!("{before}VALUES {rows}{after}").into()
        });
        Self {
            columns,
            statements,
        }
    }

    /// The statements for so many rows: for each, the text and how many of the rows it takes.
    pub(super) fn plan(&self, rows: usize) -> impl Iterator<Item = (usize, &Arc<str>)> {
        let largest = SIZES.len() - 1;
        let mut left = rows;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let index = SIZES
                .iter()
                .position(|&size| size >= left)
                .unwrap_or(largest);
            let taken = left.min(SIZES[index]);
            left -= taken;
            Some((taken, &self.statements[index]))
        })
    }

    /// How many values a row has.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }
}

/// The query with this text, which is put together from constants alone.
pub(super) fn query_of(
    sql: &Arc<str>,
    arguments: SqliteArguments,
) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_groups_of_which_the_last_may_be_filled_up() {
        let insert = ManyRows::insert("t (a, b)", 2, "");
        let plan = |rows| {
            insert
                .plan(rows)
                .map(|(taken, sql)| (taken, sql.matches("(?,?)").count()))
                .collect::<Vec<_>>()
        };
        assert_eq!(plan(0), []);
        assert_eq!(plan(1), [(1, 1)]);
        assert_eq!(plan(5), [(5, 16)]);
        assert_eq!(plan(600), [(256, 256), (256, 256), (88, 256)]);
    }
}

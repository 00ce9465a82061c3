//! One statement that writes a whole batch.
//!
//! Every kind of rows is one array per column, taken apart by `unnest`, and one `WITH` part that writes them; empty kinds
//! are left out. PostgreSQL runs all parts on one snapshot, where none sees what another has written, and in an order of
//! its own choice. So no table is written by two parts, and what must come first is made something that the others
//! depend on: the fence.

use std::{fmt::Write, sync::Arc};

use sqlx::{Encode, Postgres, Type, postgres::PgArguments};

use super::{bind::Values, errors};
use crate::StorageError;

/// The statement while it is put together. Its text depends on which kinds of rows there are and not on how many, so
/// that few texts are prepared again and again.
pub(super) struct BatchStatement {
    /// In this schema there is a function `require`.
    schema: &'static str,
    parts: Vec<String>,
    values: Values,
    is_fenced: bool,
    demands: Vec<String>,
}

impl BatchStatement {
    pub(super) fn new(schema: &'static str) -> Self {
        Self {
            schema,
            parts: Vec::new(),
            values: Values::default(),
            is_fenced: false,
            demands: Vec::new(),
        }
    }

    /// Rows to be written by one part.
    pub(super) fn rows(&mut self) -> Rows<'_> {
        let first = self.values.len();
        Rows {
            statement: self,
            first,
        }
    }

    /// From here on parts only write once all of these parts, which have updated heads, have changed so many rows
    /// together. If they have changed fewer, the statement fails, and whatever was changed is changed back.
    pub(super) fn fence(&mut self, parts: &[String], rows: usize) -> Result<(), StorageError> {
        let demand = self.demand(parts, rows, errors::HEAD_MOVED)?;
        // Who needs its row needs all rows of the parts counted in it, so these are carried out before.
        self.parts
            .push(format!("fence AS MATERIALIZED (SELECT {demand} AS met)"));
        self.is_fenced = true;
        Ok(())
    }

    /// The statement fails with this code unless these parts have changed so many rows together.
    pub(super) fn expect(
        &mut self,
        parts: &[String],
        rows: usize,
        code: &str,
    ) -> Result<(), StorageError> {
        let demand = self.demand(parts, rows, code)?;
        self.demands.push(demand);
        Ok(())
    }

    fn demand(
        &mut self,
        parts: &[String],
        rows: usize,
        code: &str,
    ) -> Result<String, StorageError> {
        let counts: Vec<_> = parts
            .iter()
            .map(|part| format!("(SELECT count(*) FROM {part})"))
            .collect();
        self.values.number(rows as u64)?;
        Ok(format!(
            "{}.require({} = ${}, '{code}')",
            self.schema,
            counts.join(" + "),
            self.values.len()
        ))
    }

    /// Its text and values.
    pub(super) fn finish(self) -> (Arc<str>, PgArguments) {
        let mut demands = self.demands;
        if self.is_fenced {
            demands.push("(SELECT met FROM fence)".to_owned());
        }
        if demands.is_empty() {
            demands.push("true".to_owned());
        }
        let sql = format!(
            "WITH {} SELECT {}",
            self.parts.join(", "),
            demands.join(" AND ")
        );
        (sql.into(), self.values.into_arguments())
    }
}

/// The rows of one part while their columns are added.
pub(super) struct Rows<'a> {
    statement: &'a mut BatchStatement,
    first: usize,
}

impl Rows<'_> {
    /// Adds a column, of all rows.
    pub(super) fn column<'t, T>(self, values: impl Iterator<Item = T>) -> Result<Self, StorageError>
    where
        Vec<T>: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.statement.values.add(values.collect::<Vec<T>>())?;
        Ok(self)
    }

    /// Adds a column of numbers.
    pub(super) fn numbers(self, values: impl Iterator<Item = u64>) -> Result<Self, StorageError> {
        self.column(values.map(u64::cast_signed))
    }

    /// Adds a column of shards.
    pub(super) fn shards(self, values: impl Iterator<Item = u16>) -> Result<Self, StorageError> {
        self.column(values.map(u16::cast_signed))
    }

    /// Inserts the rows. Returns the name of the part.
    pub(super) fn insert(self, into: &str, on_conflict: &str) -> String {
        let condition = if self.statement.is_fenced {
            " WHERE (SELECT met FROM fence)"
        } else {
            ""
        };
        let rows = self.unnested();
        self.push(format!(
            "INSERT INTO {into} SELECT * FROM {rows}{condition} {on_conflict} RETURNING 1"
        ))
    }

    /// Writes with a statement that finds the rows between these texts. Returns the name of the part.
    pub(super) fn around(self, before: &str, after: &str) -> String {
        let rows = self.unnested();
        self.push(format!("{before} {rows} {after} RETURNING 1"))
    }

    fn unnested(&self) -> String {
        let mut text = String::from("unnest(");
        for number in self.first + 1..=self.statement.values.len() {
            let comma = if number > self.first + 1 { ", " } else { "" };
            // Writing into a string does not fail.
            let _ = write!(text, "{comma}${number}");
        }
        text.push(')');
        text
    }

    fn push(self, text: String) -> String {
        let parts = &mut self.statement.parts;
        let name = format!("part_{}", parts.len() + 1);
        parts.push(format!("{name} AS ({text})"));
        name
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_follows_the_fence_waits_for_it() {
        let mut statement = BatchStatement::new("orders");
        let heads = statement
            .rows()
            .shards([1_u16].into_iter())
            .unwrap()
            .around("UPDATE head SET a = 1 FROM", "AS new");
        statement.fence(&[heads], 1).unwrap();
        let rows = statement.rows();
        let rows = rows.numbers([1_u64, 2].into_iter()).unwrap();
        let _ = rows
            .numbers([3_u64, 4].into_iter())
            .unwrap()
            .insert("t (a, b)", "");
        assert_eq!(
            &*statement.finish().0,
            "WITH part_1 AS (UPDATE head SET a = 1 FROM unnest($1) AS new RETURNING 1), \
             fence AS MATERIALIZED (SELECT orders.require((SELECT count(*) FROM part_1) = $2, 'ST001') AS met), \
             part_3 AS (INSERT INTO t (a, b) SELECT * FROM unnest($3, $4) WHERE (SELECT met FROM fence)  RETURNING 1) \
             SELECT (SELECT met FROM fence)"
        );
    }
}

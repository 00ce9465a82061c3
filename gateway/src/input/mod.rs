//! What comes in: bodies, paths, queries and headers, turned into the domain's types or refused.
//!
//! Everything wrong with the content is told at once, each with its place ([`crate::problem::Fault`]). Two layers:
//! [`tree`] and [`fields`] know JSON and places, [`text`] and the types in [`crate::dto`] know what belongs there.

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod fields;
pub(crate) mod idempotency;
pub(crate) mod path;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod text;
mod tree;

pub(crate) use body::{Body, FromBody};
pub(crate) use fields::Field;
pub(crate) use path::Id;
pub(crate) use query::{FromQuery, Pairs, Params};

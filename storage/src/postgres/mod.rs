//! The distributed stores, on PostgreSQL through sqlx: journals, heads, read models, keys, credentials, parked commands
//! and the directory.
//!
//! Schema `cluster` is in the default database: what the cluster was made for, and its nodes. Each domain has a schema
//! of its own, in that database or in another one. [`migrate`] makes and upgrades them, [`PostgresStore`] uses them.
//!
//! Any number of processes may write. What keeps them apart is the head of each shard: see `commit.rs`. Every
//! connection sets `synchronous_commit = on` by itself and refuses a server with `fsync = off`: see `connect.rs`.

mod archive;
mod batch;
mod bind;
mod commit;
mod connect;
mod decode;
mod directory;
mod errors;
mod fault;
mod home;
mod journal;
mod meta;
mod migrate;
mod options;
mod recovery;
mod rows;
mod schema;
mod snapshot;
mod snapshot_reads;
mod statements;
mod states;
mod store;
mod views;

#[cfg(feature = "fault-injection")]
pub use fault::Fault;
pub use migrate::{Migrated, migrate};
pub use options::PostgresOptions;
pub use recovery::{LostRecord, Recovery};
pub use snapshot::PostgresSnapshot;
pub use store::PostgresStore;

//! The actors: one per order, one per product, one per user, and what drives them.
//!
//! `runtime/` drives the engine with actix actors; each domain has a folder of its own with the same file names
//! (`actor.rs` what its shards do, `service.rs` what others may ask of it, `grpc.rs` the same for other programs);
//! `transport/` carries records between shards; `grpc/` is the server and what its services share; `edge/` is what HTTP
//! and gRPC have in common.
//! `README.md` beside this crate is the catalogue of actors.
//!
//! Others use the services of [`Shop`] only. Each call is answered after the commit that it rests on.

pub mod auth;
pub mod cluster;
pub mod edge;
pub mod error;
pub mod grpc;
mod housekeeping;
pub mod logs;
pub mod metrics;
pub mod notifications;
pub mod orders;
pub mod products;
pub mod runtime;
pub mod start;
pub mod system;
pub mod trace;
pub mod transport;

pub use error::Unavailable;
pub use start::{
    Config, NodeConfig, NodeStores, Running, RunningNode, StartError, Stores, start, start_node,
};

/// Everything that can be asked of a running shop.
#[derive(Clone)]
pub struct Shop {
    /// Accounts and tokens.
    pub auth: auth::Auth,
    /// The catalogue and its stock.
    pub products: products::Products,
    /// Orders.
    pub orders: orders::Orders,
    /// What customers were told.
    pub notifications: notifications::Notifications,
    /// What has happened.
    pub logs: logs::Logs,
    /// How the shop itself is.
    pub system: system::System,
}

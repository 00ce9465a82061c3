//! What operators see of a running shop: its metrics, its supervision, its stuck orders.

mod metrics;
mod stuck;
mod supervision;

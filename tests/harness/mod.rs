//! What the tests stand on: a running [`Shop`], the people in front of its counter ([`Api`]), what they ask for
//! ([`Order`]) and hear ([`Answer`]), crowds of them ([`Rush`]), and the auditor ([`AuditReport`]). A shop is one process or, where a run of
//! the tests asks for it ([`deployment`]), a [`Cluster`], which scenarios about nodes take apart themselves.
//!
//! A test waits for what it expects with [`eventually`] and never sleeps for a fixed time. Two shops run at a time on
//! two cores, so every limit is ten times the figure that is promised.

mod answer;
mod api;
mod audit;
mod cluster;
mod cluster_setup;
mod database;
mod deployment;
mod fault;
mod order;
mod poll;
mod process;
mod program;
mod rush;
mod servers;
mod shop;
mod stream;
mod topics;

pub(crate) use answer::Answer;
pub(crate) use api::{Api, PASSWORD, percent_encoded};
pub(crate) use audit::{AuditReport, audit};
pub(crate) use cluster::Cluster;
pub(crate) use cluster_setup::{ClusterSetup, NodeSetup, SHARDS};
pub(crate) use database::Database;
pub(crate) use deployment::{Deployment, applies_to, cluster_permit, deployment, only_with};
pub(crate) use fault::Fault;
pub(crate) use order::{Order, is_settled};
pub(crate) use poll::{SOON, at_once, eventually};
pub(crate) use program::{Outcome, refused_start, stampede};
pub(crate) use rush::{Ledger, Rush};
pub(crate) use servers::{Server, Servers};
pub(crate) use shop::{ADMIN_PASSWORD, Setup, Shop};
pub(crate) use topics::{Record, Topics};

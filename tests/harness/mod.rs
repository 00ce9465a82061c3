//! What the tests stand on: a running [`Shop`], the people in front of its counter ([`Api`]), what they ask for
//! ([`Order`]) and hear ([`Answer`]), crowds of them ([`Rush`]), and the auditor ([`AuditReport`]).
//!
//! A test waits for what it expects with [`eventually`] and never sleeps for a fixed time. Two shops run at a time on
//! two cores, so every limit is ten times the figure that is promised.

mod answer;
mod api;
mod audit;
#[cfg(feature = "fault-injection")]
mod fault;
mod order;
mod poll;
mod program;
mod rush;
mod shop;
mod stream;

pub(crate) use answer::Answer;
pub(crate) use api::{Api, PASSWORD, percent_encoded};
pub(crate) use audit::{AuditReport, audit};
#[cfg(feature = "fault-injection")]
pub(crate) use fault::Fault;
pub(crate) use order::{Order, is_settled};
pub(crate) use poll::{SOON, at_once, eventually};
pub(crate) use program::{Outcome, refused_start, stampede};
pub(crate) use rush::{Ledger, Rush};
pub(crate) use shop::{ADMIN_PASSWORD, Setup, Shop};

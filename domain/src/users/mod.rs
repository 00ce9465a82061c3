//! A user: who may log in, as what, and with which sessions.
//!
//! A session is a family of refresh tokens of which only the newest is good. Each refresh replaces it; presenting an
//! older one means that somebody else has it, so the whole family ends. Only hashes are kept, and the password's hash
//! is no part of this state: it stays with the credentials in storage and never enters an event.

mod command;
mod decide;
mod event;
mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub use command::{UserCommand, UserDraft, UserRejection};
pub use event::{SessionEnd, UserEvent};
pub use state::{InvalidUsername, Role, Session, TokenHash, User, Username};

/// Sessions one user can have open; the oldest gives way.
pub const SESSIONS_MAX: usize = 20;

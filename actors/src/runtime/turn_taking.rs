//! Lets other actors of a thread have their turn.
//!
//! actix gives an actor its mailbox until it is empty. One that is flooded would keep its thread for as long as messages
//! come in, so every actor here steps back after a number of them.

use actix::{Actor, AsyncContext, fut::wrap_future};

/// Messages that an actor handles before it lets others have their turn: well below a millisecond of work.
const MESSAGES_MAX: u32 = 64;

/// Counts the messages of one actor.
#[derive(Debug, Default)]
pub(super) struct TurnTaking {
    handled: u32,
}

impl TurnTaking {
    /// Notes a message; the actor goes on with the next one at once, or when the others had their turn.
    pub(super) fn handled<A: Actor<Context = C>, C: AsyncContext<A>>(&mut self, ctx: &mut C) {
        self.handled += 1;
        if self.handled >= MESSAGES_MAX {
            self.handled = 0;
            ctx.wait(wrap_future(tokio::task::yield_now()));
        }
    }
}

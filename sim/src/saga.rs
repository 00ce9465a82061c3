//! What every way through the order saga must stand, as helpers that are used on each of them.
//!
//! A way is a [`Script`]: what is in stock, who wants what and when. It is played by the simulated shop once as it is, and
//! then again and again with one thing going wrong at one step:
//!
//! - [`every_step_twice`]: whatever one shard tells another arrives twice.
//! - [`every_undo_twice`]: so does whatever gives pieces back.
//! - [`every_step_panics`]: each decision in turn panics once, after it has changed its aggregate's memory.
//! - [`every_step_fails`]: each decision in turn fails for good and is set aside; what it held up is given up after its
//!   deadline, and the slate is clean; then operators have it done after all.
//! - [`crash_after_every_write`]: the process dies after each transaction in turn, before anybody is told.
//!
//! Whatever a run does besides, the books and invariants of [`crate::world`] hold in it.

use crate::world::{
    Outcome,
    plan::{Intervention, Options, Script},
    play,
};

fn played(script: &Script, intervention: Option<Intervention>) -> Result<Outcome, String> {
    let options = Options {
        intervention,
        ..Options::default()
    };
    let outcome = play(script, options);
    match outcome.violations.first() {
        Some(violation) => Err(format!("{intervention:?}: {violation}")),
        None => Ok(outcome),
    }
}

/// Plays a script with something going wrong that must make no difference to how it ends.
fn ends_the_same(script: &Script, plain: &Outcome, wrong: Intervention) -> Result<(), String> {
    let outcome = played(script, Some(wrong))?;
    if (&outcome.ends, &outcome.stocks) == (&plain.ends, &plain.stocks) {
        return Ok(());
    }
    Err(format!(
        "{wrong:?}: it ends with {:?} and {:?} instead of {:?} and {:?}",
        outcome.ends, outcome.stocks, plain.ends, plain.stocks
    ))
}

/// Whatever one shard tells another arrives twice, and it ends as if it came once.
///
/// # Errors
/// What is different, or which invariant is broken.
pub fn every_step_twice(script: &Script) -> Result<(), String> {
    let plain = played(script, None)?;
    ends_the_same(script, &plain, Intervention::EveryMessageTwice)
}

/// Whatever gives pieces back arrives twice, and they are given back once.
///
/// # Errors
/// What is different, or which invariant is broken.
pub fn every_undo_twice(script: &Script) -> Result<(), String> {
    let plain = played(script, None)?;
    ends_the_same(script, &plain, Intervention::EveryUndoTwice)
}

/// Each decision in turn panics once. Returns how many there are.
///
/// # Errors
/// What is different, or which invariant is broken.
pub fn every_step_panics(script: &Script) -> Result<u64, String> {
    let plain = played(script, None)?;
    for number in 1..=plain.decisions {
        ends_the_same(script, &plain, Intervention::PanicOnce(number))?;
    }
    Ok(plain.decisions)
}

/// Each decision in turn fails for good. Whatever comes of the orders, the slate is clean: pieces are held by confirmed
/// orders and by no others, which the invariants say. Returns how many there are.
///
/// # Errors
/// Which invariant is broken.
pub fn every_step_fails(script: &Script) -> Result<u64, String> {
    let plain = played(script, None)?;
    for number in 1..=plain.decisions {
        played(script, Some(Intervention::FailsAt(number)))?;
    }
    Ok(plain.decisions)
}

/// The process dies after each transaction in turn. Returns how many there are.
///
/// # Errors
/// What is different, or which invariant is broken.
pub fn crash_after_every_write(script: &Script) -> Result<u64, String> {
    let plain = played(script, None)?;
    for number in 1..=plain.commits {
        ends_the_same(script, &plain, Intervention::CrashAfterWrite(number))?;
    }
    Ok(plain.commits)
}

#[cfg(test)]
mod tests;

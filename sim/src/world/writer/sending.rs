//! How a transaction gets to the store, or not: every way in which a commit is known to end.

use crate::world::{
    World,
    event::{Desk, Event},
    mutation::Mutation,
    plan::{Fault, Intervention},
    store::{Commit, Refused, Transaction},
};

impl World {
    /// Sends a transaction to the store, which may fail in any of the known ways.
    pub(super) fn send(&mut self, desk: Desk, transaction: Transaction) -> u64 {
        self.transactions_begun += 1;
        let number = self.transactions_begun;
        let clockwork = &mut self.clockwork;
        let reaches_in = clockwork.draw(0..6);
        let told_in = reaches_in + clockwork.draw(0..6);
        let unknown = Event::Committed(desk, number, Err(Refused::Unknown));
        if !clockwork.store_answers() || clockwork.strikes(Fault::CommitFails) {
            clockwork.after(told_in, unknown);
            return number;
        }
        self.transactions.insert(number, (desk, transaction, true));
        if clockwork.strikes(Fault::CommitUnknown) {
            clockwork.after(reaches_in, Event::Apply(number));
            clockwork.after(told_in + 1, unknown);
            self.forget_answer(number);
        } else if clockwork.strikes(Fault::CommitLate) {
            let late = told_in + clockwork.draw(1..3_000);
            clockwork.after(told_in, unknown);
            clockwork.after(late, Event::Apply(number));
            self.forget_answer(number);
        } else {
            clockwork.after(reaches_in, Event::Apply(number));
        }
        number
    }

    /// The store's answer to this transaction is lost.
    fn forget_answer(&mut self, number: u64) {
        if let Some((_, _, is_answered)) = self.transactions.get_mut(&number) {
            *is_answered = false;
        }
    }

    /// A transaction reaches the store.
    pub(in crate::world) fn apply(&mut self, number: u64) {
        let Some((desk, transaction, is_answered)) = self.transactions.remove(&number) else {
            return;
        };
        let told_in = self.clockwork.draw(0..6);
        let (transaction, later) = self.split_watermarks(transaction);
        let result = if self.clockwork.store_answers() {
            self.ledger
                .before(&self.store, &transaction, &mut self.clockwork);
            let result = self.store.commit(&transaction);
            if result.is_ok() {
                self.ledger
                    .after(&self.store, &transaction, &mut self.clockwork);
                self.clockwork.note(|| describe(desk, &transaction));
                if self.clockwork.intervention
                    == Some(Intervention::CrashAfterWrite(self.ledger.commits))
                {
                    self.crash(desk.node);
                    return;
                }
            }
            result
        } else {
            Err(Refused::Unknown)
        };
        if let (Ok(()), Some(later)) = (&result, later)
            && !self.clockwork.chance(0.02)
        {
            self.store.move_watermarks(&later);
        }
        if is_answered {
            self.clockwork
                .after(told_in, Event::Committed(desk, number, result));
        }
    }

    /// Takes the watermarks out of a transaction, in a program that is wrong to store them apart.
    fn split_watermarks(&self, mut transaction: Transaction) -> (Transaction, Option<Vec<Commit>>) {
        if !self.clockwork.breaks(Mutation::WatermarkOutsideTransaction) {
            return (transaction, None);
        }
        let later = transaction.commits.clone();
        for commit in &mut transaction.commits {
            commit.watermarks.clear();
        }
        (transaction, Some(later))
    }
}

fn describe(desk: Desk, transaction: &Transaction) -> String {
    let mut text = format!("node {} writer {} commits", desk.node, desk.writer);
    for commit in &transaction.commits {
        text += &format!(
            "\n            {} epoch {} revision {} watermarks {:?}",
            commit.shard, commit.epoch, commit.revision, commit.watermarks
        );
        for record in &commit.records {
            text += &format!(
                "\n              {} about {} #{}: {:?}",
                record.position, record.payload.about, record.payload.seq, record.payload.event
            );
        }
    }
    text
}

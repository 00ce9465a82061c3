//! I6 and I7: every record has its effect exactly once at every destination, and none before its time.
//!
//! What is asked and what is done meet here, whichever comes first, and are forgotten once both have come.

use std::collections::HashMap;

use super::{
    Invariant, Report,
    parking::{Fate, Parking},
    record::{Heads, Place},
    task::{Content, Task},
};
use crate::{ProductId, ShardRef, orders::Answer};

/// One side of a task.
#[derive(Debug)]
struct Side {
    shard: ShardRef,
    position: u64,
    content: Content,
}

/// A task of which one side has come.
#[derive(Debug, Default)]
struct Open {
    asked: Option<Side>,
    done: Option<Side>,
    /// The order was settled without the answer: a refusal needs nothing.
    is_dispensable: bool,
}

/// All tasks.
#[derive(Debug, Default)]
pub(super) struct Effects {
    open: HashMap<Task, Open>,
    pub(super) parking: Parking,
}

impl Effects {
    /// A record asks for something.
    pub(super) fn asked(
        &mut self,
        task: Task,
        content: Content,
        place: &Place,
        heads: &Heads,
        report: &mut Report,
    ) {
        let side = Side::of(place, content);
        let open = self.open.entry(task).or_default();
        if let Some(before) = &open.asked {
            report.violated(
                task.invariant(),
                1,
                format!(
                    "{place} asks for {task} as position {} did",
                    before.position
                ),
            );
            return;
        }
        open.asked = Some(side);
        self.meet(task, heads, report);
    }

    /// A record says that something was done.
    pub(super) fn done(
        &mut self,
        task: Task,
        content: Content,
        place: &Place,
        heads: &Heads,
        report: &mut Report,
    ) {
        let side = Side::of(place, content);
        let open = self.open.entry(task).or_default();
        if let Some(before) = &open.done {
            report.violated(
                task.invariant(),
                1,
                format!(
                    "{task} took effect at {place}, and at position {}",
                    before.position
                ),
            );
            return;
        }
        open.done = Some(side);
        self.meet(task, heads, report);
    }

    /// An order was settled without an answer.
    pub(super) fn dispense_with(&mut self, task: Task) {
        self.open.entry(task).or_default().is_dispensable = true;
    }

    /// Looks at a task of which both sides may have come.
    fn meet(&mut self, task: Task, heads: &Heads, report: &mut Report) {
        let Some(Open {
            asked: Some(asked),
            done: Some(done),
            ..
        }) = self.open.get(&task)
        else {
            return;
        };
        let watermark = heads.watermark(done.shard, asked.shard);
        let wrong = if task.target(heads) != Some(done.shard) {
            Some(format!(
                "{task} took effect at {done}, which is not where it belongs"
            ))
        } else if asked.position > watermark {
            Some(format!(
                "{task} of {asked} took effect at {done}, though the link's watermark is {watermark}"
            ))
        } else if !done.content.fulfils(&asked.content) {
            Some(format!(
                "{task} of {asked} asks for {:?}, and what was done at {done} is {:?}",
                asked.content, done.content
            ))
        } else {
            None
        };
        report.judge(task.invariant(), wrong);
        let part = (done.shard, asked.shard, asked.position, task.aggregate_id());
        self.parking.has_effect(part, done.position);
        self.open.remove(&task);
    }

    /// Looks at what has one side only, and gives the pieces that are between a product and its orders.
    pub(super) fn finish(mut self, heads: &Heads, report: &mut Report) -> HashMap<ProductId, u64> {
        let mut between: HashMap<ProductId, u64> = HashMap::new();
        let mut open: Vec<(Task, Open)> = self.open.drain().collect();
        open.sort_by_key(|(_, open)| {
            open.asked
                .as_ref()
                .or(open.done.as_ref())
                .map(|side| (side.shard, side.position))
        });
        for (task, open) in open {
            if let Some(done) = &open.done {
                let wrong = format!("{task} took effect at {done}, and no record asks for it");
                report.judge(task.invariant(), Some(wrong));
            }
            let Some(asked) = open.asked else {
                continue;
            };
            let is_between = self.judge_asked(task, &asked, open.is_dispensable, heads, report);
            if is_between && let Some((product, quantity)) = asked.content.pieces_between(task) {
                *between.entry(product).or_default() += quantity;
            }
        }
        self.parking.finish(heads, report);
        between
    }

    /// Judges what was asked and not done. Whether it is on its way or set aside.
    fn judge_asked(
        &mut self,
        task: Task,
        asked: &Side,
        is_dispensable: bool,
        heads: &Heads,
        report: &mut Report,
    ) -> bool {
        let Some(target) = task.target(heads) else {
            report.judge(
                Invariant::I7,
                Some(format!(
                    "{task} of {asked} is for a shard that does not exist"
                )),
            );
            return false;
        };
        let watermark = heads.watermark(target, asked.shard);
        let part = (target, asked.shard, asked.position, task.aggregate_id());
        let fate = self.parking.fate(part);
        let needs_nothing =
            is_dispensable && matches!(asked.content, Content::Answer(Answer::Refused { .. }));
        let wrong = match fate {
            _ if asked.position > watermark => None,
            Some(Fate::SetAside) => None,
            _ if needs_nothing => None,
            Some(Fate::Retried) => Some(format!(
                "{task} of {asked} was set aside and retried by {target}, and has no effect"
            )),
            None => Some(format!(
                "{task} of {asked} has no effect, and the watermark of {target} is {watermark}"
            )),
        };
        let is_between = asked.position > watermark || matches!(fate, Some(Fate::SetAside));
        report.judge(task.invariant(), wrong);
        is_between
    }
}

impl Side {
    fn of(place: &Place, content: Content) -> Self {
        Self {
            shard: place.shard,
            position: place.position,
            content,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} position {}", self.shard, self.position)
    }
}

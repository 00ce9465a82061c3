//! I6 and I7: every record has its effect exactly once at every destination, and none before its time.
//!
//! What is asked and what is done meet here, whichever comes first, and are forgotten once both have come. Told in the
//! order of positions and at one pace, few wait at any time, however late it is that something happens to an order.

use std::collections::HashMap;

use super::{
    Invariant, Report, Scope,
    parking::{Fate, Parking},
    record::{Heads, Place},
    task::{Content, Task},
};
use crate::{ProductId, ShardRef, orders::Answer};

/// What is asked and has not come to its target yet is kept up to this number, so that it can be said what is wrong with
/// a task that was done before its time. In a shop whose links are held up there may be millions.
const AHEAD_MAX: usize = if cfg!(test) { 4 } else { 10_000 };

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
    /// The side, and whether it is that which was done.
    side: Option<(bool, Side)>,
    /// The order was settled without the answer: a refusal needs nothing.
    is_dispensable: bool,
}

/// All tasks.
#[derive(Debug, Default)]
pub(super) struct Effects {
    open: HashMap<Task, Open>,
    /// How many of those are asked and on their way.
    ahead: usize,
    /// Pieces of those on their way that are not kept.
    between: HashMap<ProductId, u64>,
    pub(super) scope: Scope,
    pub(super) parking: Parking,
}

impl Effects {
    /// How many tasks wait for their other side.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A record asks for something.
    pub(super) fn asked(
        &mut self,
        task: Task,
        content: Content,
        place: &Place,
        heads: &Heads,
        report: &mut Report,
    ) {
        if !self.scope.has_task(task) {
            return;
        }
        let asked = Side::of(place, content);
        let open = self.open.get(&task).and_then(|open| open.side.as_ref());
        match open {
            Some((true, _)) => self.meet(task, &asked, heads, report),
            Some((false, before)) => {
                let wrong = format!(
                    "{place} asks for {task} as position {} did",
                    before.position
                );
                report.violated(task.invariant(), 1, wrong);
            }
            None => {
                let is_ahead = asked.is_ahead(task, heads);
                if is_ahead && self.ahead >= AHEAD_MAX {
                    report.judge(task.invariant(), None);
                    if let Some((product, quantity)) = asked.content.pieces_between(task) {
                        *self.between.entry(product).or_default() += quantity;
                    }
                    return;
                }
                self.ahead += usize::from(is_ahead);
                self.open.entry(task).or_default().side = Some((false, asked));
            }
        }
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
        if !self.scope.has_task(task) {
            return;
        }
        let done = Side::of(place, content);
        let open = self.open.entry(task).or_default();
        match open.side.take() {
            Some((false, asked)) => {
                self.ahead -= usize::from(asked.is_ahead(task, heads));
                open.side = Some((true, done));
                self.meet(task, &asked, heads, report);
            }
            Some((true, before)) => {
                let wrong = format!(
                    "{task} took effect at {place}, and at position {}",
                    before.position
                );
                open.side = Some((true, before));
                report.violated(task.invariant(), 1, wrong);
            }
            None => open.side = Some((true, done)),
        }
    }

    /// An order was settled without an answer.
    pub(super) fn dispense_with(&mut self, task: Task) {
        if self.scope.has_task(task) {
            self.open.entry(task).or_default().is_dispensable = true;
        }
    }

    /// Looks at a task that was asked for thus and that is kept as done.
    fn meet(&mut self, task: Task, asked: &Side, heads: &Heads, report: &mut Report) {
        let open = self.open.remove(&task);
        let Some((_, done)) = open.and_then(|open| open.side) else {
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
    }

    /// Looks at what has one side only, and gives the pieces that are between a product and its orders.
    pub(super) fn finish(mut self, heads: &Heads, report: &mut Report) -> HashMap<ProductId, u64> {
        let mut between = std::mem::take(&mut self.between);
        let mut open: Vec<(Task, Open)> = self.open.drain().collect();
        open.sort_by_key(|(_, open)| {
            let side = open.side.as_ref();
            side.map(|(_, side)| (side.shard, side.position))
        });
        for (task, open) in open {
            let asked = match open.side {
                None => continue,
                Some((true, done)) => {
                    let wrong = format!("{task} took effect at {done}, and no record asks for it");
                    report.judge(task.invariant(), Some(wrong));
                    continue;
                }
                Some((false, asked)) => asked,
            };
            let is_between = self.judge_asked(task, &asked, open.is_dispensable, heads, report);
            if is_between && let Some((product, quantity)) = asked.content.pieces_between(task) {
                *between.entry(product).or_default() += quantity;
            }
        }
        if self.scope.is_all() {
            self.parking.finish(heads, report);
        }
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
        let needs_nothing = is_dispensable
            && matches!(&asked.content, Content::Answer(answer) if matches!(**answer, Answer::Refused { .. }));
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

    /// Whether what this asks for has not come to its target yet.
    fn is_ahead(&self, task: Task, heads: &Heads) -> bool {
        let target = task.target(heads);
        target.is_some_and(|target| self.position > heads.watermark(target, self.shard))
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} position {}", self.shard, self.position)
    }
}

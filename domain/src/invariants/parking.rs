//! Commands that were set aside: without effect until they are retried, and never with one if they are discarded.

use std::collections::{BTreeMap, HashMap};

use super::{
    Invariant, Report,
    record::{Heads, Place},
    task,
};
use crate::{
    ShardRef, Timestamp,
    parking::{ParkedCommand, ParkingEvent},
};

/// A part of a record: the shard it was for, the source, the position there, and the aggregate it was for.
pub(super) type Part = (ShardRef, ShardRef, u64, u64);

/// What became of a command that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits, or was given up.
    SetAside,
    /// It was handled at last.
    Retried,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Retried { position: u64 },
    Discarded,
}

#[derive(Debug)]
struct Parked {
    command: ParkedCommand,
    time: Timestamp,
    position: u64,
    end: Option<End>,
    /// Whether there is a record that asks for it.
    is_asked: bool,
    /// Where it had its effect.
    effect: Option<u64>,
}

/// All commands that were ever set aside, and the rows of those that still are.
#[derive(Debug, Default)]
pub(super) struct Parking {
    commands: BTreeMap<(ShardRef, u64), Parked>,
    by_part: HashMap<Part, (ShardRef, u64)>,
    rows: BTreeMap<(ShardRef, u64), (Timestamp, ParkedCommand)>,
}

impl Parking {
    /// How many commands are remembered.
    pub(super) fn len(&self) -> usize {
        self.commands.len() + self.rows.len()
    }

    /// A command was set aside, or dealt with.
    pub(super) fn event(
        &mut self,
        place: &Place,
        event: &ParkingEvent,
        is_all: bool,
        heads: &Heads,
        report: &mut Report,
    ) {
        let shard = place.shard;
        let (id, end) = match event {
            ParkingEvent::CommandParked(command) => {
                self.set_aside(place, command, heads, report);
                return;
            }
            ParkingEvent::ParkedCommandRetried { id, .. } => {
                let position = place.position;
                (*id, End::Retried { position })
            }
            ParkingEvent::ParkedCommandDiscarded { id, .. } => (*id, End::Discarded),
        };
        match self.commands.get_mut(&(shard, id)) {
            Some(parked) if parked.end.is_none() => parked.end = Some(end),
            // Where the beginning is not told, it may have been set aside then.
            None if !is_all => {}
            _ => {
                let detail = format!("{place} deals with parked command {id}, which does not wait");
                report.violated(Invariant::I7, 1, detail);
            }
        }
    }

    fn set_aside(
        &mut self,
        place: &Place,
        command: &ParkedCommand,
        heads: &Heads,
        report: &mut Report,
    ) {
        let (shard, id) = (place.shard, command.id);
        let source = ShardRef {
            domain: command.source_domain,
            shard: command.source_shard,
        };
        let part = task::part(shard, command.aggregate_id);
        let part = (shard, source, command.source_position, part);
        if let Some(known) = self.commands.get_mut(&(shard, id))
            && known.is_parked_again(command)
        {
            known.command.error.clone_from(&command.error);
            return;
        }
        let parked = Parked {
            command: command.clone(),
            time: place.time,
            position: place.position,
            end: None,
            is_asked: false,
            effect: None,
        };
        let is_new = self.commands.insert((shard, id), parked).is_none()
            && self.by_part.insert(part, (shard, id)).is_none();
        report.check(Invariant::I7, is_new, || {
            format!("{place} parks command {id}, which was parked before")
        });
        report.check(Invariant::I9, id <= heads.last_id(shard), || {
            format!("{place} parks command {id}, an id that the head has not issued")
        });
    }

    /// What became of a part, if it was ever set aside. The record that asks for it has been found.
    pub(super) fn fate(&mut self, part: Part) -> Option<Fate> {
        let parked = self.commands.get_mut(self.by_part.get(&part)?)?;
        parked.is_asked = true;
        Some(match parked.end {
            Some(End::Retried { .. }) => Fate::Retried,
            Some(End::Discarded) | None => Fate::SetAside,
        })
    }

    /// A part had its effect, there.
    pub(super) fn has_effect(&mut self, part: Part, position: u64) {
        let command = self.by_part.get(&part);
        if let Some(parked) = command.and_then(|id| self.commands.get_mut(id)) {
            parked.is_asked = true;
            parked.effect = Some(position);
        }
    }

    /// A row of the table of parked commands.
    pub(super) fn row(
        &mut self,
        shard: ShardRef,
        parked_at: Timestamp,
        command: ParkedCommand,
        report: &mut Report,
    ) {
        let id = command.id;
        let is_new = self
            .rows
            .insert((shard, id), (parked_at, command))
            .is_none();
        report.check(Invariant::I10, is_new, || {
            format!("two rows for parked command {id} of {shard}")
        });
    }

    /// Looks at every command that was set aside, and at the rows of those that still are.
    pub(super) fn finish(mut self, heads: &Heads, report: &mut Report) {
        for ((shard, id), parked) in &self.commands {
            report.judge(Invariant::I7, parked.wrong(*shard, heads));
            if parked.end.is_some() {
                continue;
            }
            let wrong = match self.rows.remove(&(*shard, *id)) {
                None => Some("has no row"),
                Some((time, command)) if time != parked.time || command != parked.command => {
                    Some("has a row that says something else")
                }
                Some(_) => None,
            };
            let wrong = wrong.map(|wrong| format!("parked command {id} of {shard} {wrong}"));
            report.judge(Invariant::I10, wrong);
        }
        for (shard, id) in self.rows.keys() {
            let detail = format!("parked command {id} of {shard} has a row, and does not wait");
            report.violated(Invariant::I10, 1, detail);
        }
    }
}

impl Parked {
    /// Whether this is the same command once more, after it was retried and failed: only how it failed is new.
    fn is_parked_again(&self, command: &ParkedCommand) -> bool {
        let is_the_same = ParkedCommand {
            error: String::new(),
            ..command.clone()
        } == ParkedCommand {
            error: String::new(),
            ..self.command.clone()
        };
        self.end.is_none() && is_the_same
    }

    fn wrong(&self, shard: ShardRef, heads: &Heads) -> Option<String> {
        let command = &self.command;
        let source = ShardRef {
            domain: command.source_domain,
            shard: command.source_shard,
        };
        let wrong = if heads.watermark(shard, source) < command.source_position {
            "and the watermark has not passed its record"
        } else if !self.is_asked {
            "and no record asks for it that had no effect before"
        } else {
            match (self.effect, self.end) {
                (None, _) => return None,
                (Some(effect), Some(End::Retried { position }))
                    if self.position < effect && effect < position =>
                {
                    return None;
                }
                (Some(_), Some(End::Retried { .. })) => "and its effect is not that of its retry",
                (Some(_), Some(End::Discarded)) => "discarded, and yet it had an effect",
                (Some(_), None) => "still waiting, and yet it had an effect",
            }
        };
        Some(format!(
            "{shard} position {} parks command {} of {source} position {}, {wrong}",
            self.position, command.id, command.source_position
        ))
    }
}

//! How nodes reach each other's shards: the messages of package `stampede.internal.v1`, and their way to the domain's
//! types and back.
//!
//! [`OnWire`] says how an aggregate's commands, states and rejections travel. What a shard asks of its own aggregates
//! (an answer to record, stock to reserve) has no place on the wire: no other node can ask for it.
//!
//! Nothing that is read here is trusted more than what is read elsewhere. The descriptors are in no public set.

mod notifications;
mod orders;
mod products;
#[cfg(test)]
mod tests;
mod users;

use domain::{Addressee, Aggregate, Domain, ShardRef, ids::SHARDS_MAX};

use crate::{
    InvalidField,
    common::{choice, required},
};

/// The messages, clients and servers of package `stampede.internal.v1`. What they mean is said in the `.proto` file.
pub mod v1 {
    #![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all)]
    tonic::include_proto!("stampede.internal.v1");
}

/// The revision of the package that this program knows; see `needs_revision` in the `.proto` file.
pub const REVISION: u32 = 2;

/// A command as it travels, with its addressee.
pub type Command = v1::execute_request::Command;

/// An aggregate that can be asked from another node.
pub trait OnWire: Aggregate {
    /// A command as it travels; `None` for one that only a shard gives its own aggregates.
    fn write_command(addressee: &Addressee<Self>) -> Option<Command>;

    /// A command that has travelled.
    ///
    /// # Errors
    /// [`InvalidField`], also for a command that is meant for another kind of aggregate.
    fn read_command(command: Command) -> Result<Addressee<Self>, InvalidField>;

    /// The aggregate as it travels.
    fn write_state(&self) -> v1::Aggregate;

    /// An aggregate that has travelled.
    ///
    /// # Errors
    /// [`InvalidField`], also for another kind of aggregate.
    fn read_state(message: v1::Aggregate) -> Result<Self, InvalidField>;

    /// A rejection as it travels.
    fn write_rejection(rejection: &Self::Rejection) -> v1::Rejection;

    /// A rejection that has travelled.
    ///
    /// # Errors
    /// [`InvalidField`], also for a reason that this program does not know.
    fn read_rejection(message: v1::Rejection) -> Result<Self::Rejection, InvalidField>;
}

impl From<ShardRef> for v1::Shard {
    fn from(shard: ShardRef) -> Self {
        Self {
            domain: crate::v1::Domain::from(shard.domain).into(),
            number: shard.shard.into(),
        }
    }
}

impl TryFrom<v1::Shard> for ShardRef {
    type Error = InvalidField;

    fn try_from(shard: v1::Shard) -> Result<Self, Self::Error> {
        let domain: Domain = choice::<crate::v1::Domain, _>(shard.domain, "domain")?;
        let number = u16::try_from(shard.number)
            .ok()
            .filter(|number| *number < SHARDS_MAX)
            .ok_or_else(|| {
                InvalidField::new("number", format_args!("a shard is below {SHARDS_MAX}"))
            })?;
        Ok(Self {
            domain,
            shard: number,
        })
    }
}

/// The shard that a request names.
///
/// # Errors
/// [`InvalidField`].
pub fn shard(message: Option<v1::Shard>) -> Result<ShardRef, InvalidField> {
    required(message, "shard")?
        .try_into()
        .map_err(|error: InvalidField| error.within("shard"))
}

fn other_kind<T>(field: &str, kind: &str) -> Result<T, InvalidField> {
    Err(InvalidField::new(
        field,
        format_args!("it is not for an aggregate of kind {kind}, or not known"),
    ))
}

fn aggregate(state: v1::aggregate::State) -> v1::Aggregate {
    v1::Aggregate { state: Some(state) }
}

fn rejection(reason: v1::rejection::Reason) -> v1::Rejection {
    v1::Rejection {
        reason: Some(reason),
    }
}

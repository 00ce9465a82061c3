//! What one record asks of one aggregate of another shard.

use std::fmt;

use super::{Invariant, record::Heads};
use crate::{
    Domain, OrderId, ProductId, ShardRef, UserId, notifications::Template, orders::Answer, routing,
};

/// What is asked. There is at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// That a product reserve pieces for an order, or refuse.
    Reserve(OrderId, ProductId),
    /// That a product take back what an order releases.
    Release(OrderId, ProductId),
    /// That an order record a product's answer.
    Answer(OrderId, ProductId),
    /// That a customer be told.
    Notify(OrderId, Template),
}

/// What was asked in particular, or what was done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// So many pieces.
    Pieces(u64),
    /// This answer.
    Answer(Box<Answer>),
    /// So many pieces were reserved in vain and are released again.
    InVain(u64),
    /// To this user.
    User(UserId),
}

impl Task {
    /// The invariant that it be done exactly once.
    pub(super) const fn invariant(self) -> Invariant {
        match self {
            Self::Reserve(..) | Self::Release(..) | Self::Answer(..) => Invariant::I7,
            Self::Notify(..) => Invariant::I6,
        }
    }

    /// The shard that does it.
    pub(super) fn target(self, heads: &Heads) -> Option<ShardRef> {
        let topology = &heads.topology;
        match self {
            Self::Reserve(_, product) | Self::Release(_, product) => {
                Some(topology.owner_of_product(product))
            }
            Self::Answer(order, _) => topology.owner_of_order(order),
            Self::Notify(order, _) => {
                routing::public_target(topology.owner_of_order(order)?, topology)
            }
        }
    }

    /// The aggregate under which it is set aside; see [`part`].
    pub(super) fn aggregate_id(self) -> u64 {
        match self {
            Self::Reserve(_, product) | Self::Release(_, product) => product.get(),
            Self::Answer(order, _) => order.get(),
            Self::Notify(..) => 0,
        }
    }
}

/// The aggregate under which a command is looked up that a shard has set aside. A notification has no id before it is
/// recorded, and each record asks for one at most.
pub(super) fn part(target: ShardRef, aggregate_id: u64) -> u64 {
    if target.domain == Domain::Notifications {
        0
    } else {
        aggregate_id
    }
}

impl Content {
    /// Whether this, done, is what was asked.
    pub(super) fn fulfils(&self, asked: &Self) -> bool {
        match (asked, self) {
            (Self::Answer(answer), Self::InVain(released)) => {
                matches!(&**answer, Answer::Reserved { quantity, .. } if quantity == released)
            }
            (asked, done) => asked == done,
        }
    }

    /// Pieces that are allocated and that no order holds, for as long as this is asked and not done.
    pub(super) fn pieces_between(&self, task: Task) -> Option<(ProductId, u64)> {
        match (task, self) {
            (Task::Release(_, product), Self::Pieces(quantity)) => Some((product, *quantity)),
            (Task::Answer(_, product), Self::Answer(answer)) => match **answer {
                Answer::Reserved { quantity, .. } => Some((product, quantity)),
                Answer::Refused { .. } => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserve(order, product) => {
                write!(f, "the request of order {order} to product {product}")
            }
            Self::Release(order, product) => {
                write!(f, "the release of order {order} to product {product}")
            }
            Self::Answer(order, product) => {
                write!(f, "the answer of product {product} to order {order}")
            }
            Self::Notify(order, template) => {
                write!(f, "the notification {} of order {order}", template.as_str())
            }
        }
    }
}

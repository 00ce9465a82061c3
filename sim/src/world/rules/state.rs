//! Orders, products and notifications as one kind of aggregate, so that one kind of shard hosts them all.

use std::{fmt, sync::Arc};

use domain::{
    Aggregate, Domain, Event, InMemory, Timestamp,
    notifications::{Notification, NotificationCommand},
    orders::{Order, OrderCommand, OrderDraft, OrderRejection},
    parking::ParkedCommand,
    products::{Product, ProductCommand, ProductDraft, ProductRejection},
};
use engine::shard::calls::{Decided, KeyOwner, Outcome};

use super::ShopRules;

/// The state of an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// An order.
    Order(Order),
    /// A product.
    Product(Product),
    /// A notification.
    Notification(Notification),
}

/// What is asked of one.
#[derive(Clone, Debug)]
pub enum Command {
    /// Of an order.
    Order(OrderCommand),
    /// Of a product.
    Product(ProductCommand),
    /// Of a notification.
    Notification(NotificationCommand),
}

/// What a new one is made of.
#[derive(Clone, Debug)]
pub enum Draft {
    /// An order.
    Order(OrderDraft),
    /// A product.
    Product(ProductDraft),
}

/// Why a command was turned down.
#[derive(Clone, Debug, PartialEq)]
pub enum Rejection {
    /// By an order.
    Order(OrderRejection),
    /// By a product.
    Product(ProductRejection),
    /// By an aggregate of another domain: the command was misdirected.
    Misdirected,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(rejection) => rejection.fmt(f),
            Self::Product(rejection) => rejection.fmt(f),
            Self::Misdirected => f.write_str("the command is for an aggregate of another domain"),
        }
    }
}

/// A record, not encoded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The aggregate it is about.
    pub about: u64,
    /// Its number among that aggregate's records.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Arc<Event>,
}

/// A row that goes with a transaction.
#[derive(Clone, Debug)]
pub enum Row {
    /// An aggregate's state and version.
    State(u64, State, u64),
    /// A key that is taken.
    Key(String, KeyOwner<Timestamp>),
    /// A command that is set aside.
    Parked(SetAside),
    /// One that is not any more.
    Unparked(u64),
}

/// A command that was set aside.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// As the journal has it.
    pub command: ParkedCommand,
    /// When.
    pub at: Timestamp,
    /// What its record says.
    pub fact: Arc<Event>,
}

/// An aggregate in memory.
#[derive(Clone, Debug)]
pub enum Memory {
    /// An order.
    Order(InMemory<Order>),
    /// A product.
    Product(InMemory<Product>),
    /// A notification.
    Notification(InMemory<Notification>),
}

impl Memory {
    /// As storage has it, in a shard of this domain.
    #[must_use]
    pub fn new(domain: Domain, stored: Option<(State, u64)>) -> Self {
        match (domain, stored) {
            (_, Some((State::Order(order), version))) => {
                Self::Order(InMemory::new(Some((order, version))))
            }
            (_, Some((State::Product(product), version))) => {
                Self::Product(InMemory::new(Some((product, version))))
            }
            (_, Some((State::Notification(notification), version))) => {
                Self::Notification(InMemory::new(Some((notification, version))))
            }
            (Domain::Orders, None) => Self::Order(InMemory::new(None)),
            (Domain::Products, None) => Self::Product(InMemory::new(None)),
            (_, None) => Self::Notification(InMemory::new(None)),
        }
    }

    /// Decides, as the aggregate's actor does.
    pub fn decide(&mut self, command: &Command, at: Timestamp) -> Outcome<ShopRules> {
        match (self, command) {
            (Self::Order(memory), Command::Order(command)) => {
                outcome(memory, command, at, State::Order, Rejection::Order)
            }
            (Self::Product(memory), Command::Product(command)) => {
                outcome(memory, command, at, State::Product, Rejection::Product)
            }
            (Self::Notification(memory), Command::Notification(command)) => outcome(
                memory,
                command,
                at,
                State::Notification,
                |never| match never {},
            ),
            _ => Outcome::Rejected(Rejection::Misdirected),
        }
    }
}

fn outcome<A: Aggregate>(
    memory: &mut InMemory<A>,
    command: &A::Command,
    at: Timestamp,
    state: fn(A) -> State,
    rejection: fn(A::Rejection) -> Rejection,
) -> Outcome<ShopRules> {
    match memory.decide(command, at) {
        Err(reason) => Outcome::Rejected(rejection(reason)),
        Ok(decision) => Outcome::Decided(Decided {
            events: decision.events.into_iter().map(Into::into).collect(),
            state: decision.state.map(state),
            version: decision.version,
            at,
        }),
    }
}

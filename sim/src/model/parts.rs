//! What a record asks of the aggregates of the shard that it is addressed to: the domain's saga, as the shop applies it.

use std::sync::Arc;

use domain::{
    Event, OrderId, ShardRef,
    orders::{OrderCommand, OrderEvent},
    products::ProductCommand,
    saga,
};

use super::store::{Record, TOPOLOGY};

/// A record on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Whose journal it is of.
    pub source: ShardRef,
    /// To whom it goes.
    pub target: ShardRef,
    /// The position before it on the link.
    pub prev: u64,
    /// The record.
    pub record: Arc<Record>,
    /// The one line that the message carries, where a broken rule makes each line a message.
    pub line: Option<u8>,
    /// Whether it has arrived before and does so again.
    pub is_doubled: bool,
}

/// What is asked of one aggregate.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Of an order.
    Order(OrderCommand),
    /// Of a product.
    Product(ProductCommand),
}

/// A part of what a record asks for.
#[derive(Clone, Debug)]
pub struct Part {
    /// The aggregate.
    pub id: u64,
    /// The order it is about.
    pub order: OrderId,
    /// What it is asked.
    pub ask: Ask,
}

impl Message {
    /// The position of its record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.record.position
    }

    /// What it asks for.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let payload = &self.record.payload;
        match &payload.event {
            Event::Order(event) => {
                let Some(order) = OrderId::new(payload.about) else {
                    return Vec::new();
                };
                saga::requests(order, &self.carried(event))
                    .into_iter()
                    .filter(|(product, _)| TOPOLOGY.owner_of_product(*product) == self.target)
                    .map(|(product, command)| Part {
                        id: product.get(),
                        order,
                        ask: Ask::Product(command),
                    })
                    .collect()
            }
            Event::Product(event) => saga::answer(event)
                .map(|(order, answer)| Part {
                    id: order.get(),
                    order,
                    ask: Ask::Order(OrderCommand::RecordAnswer(answer)),
                })
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The event as the message carries it.
    fn carried(&self, event: &OrderEvent) -> OrderEvent {
        let mut event = event.clone();
        if let (Some(line), OrderEvent::OrderCreated { lines, .. }) = (self.line, &mut event) {
            *lines = lines.get(usize::from(line)).copied().into_iter().collect();
        }
        event
    }
}

//! What a node does with what it is asked: by customers, by records of its link, by the clock, and by operators.

use domain::{
    Aggregate, Decision, Event, InMemory, OrderId, ProductId, Quantity, UserId,
    ids::next_in_shard,
    orders::{
        CancelledBy, Order, OrderCommand, OrderDraft, OrderEvent, OrderRejection, OrderStatus,
        RequestedLine,
    },
    parking::{ParkedCommand, ParkingEvent},
    routing,
};
use engine::{Confirmation, Inlet, NewRecord, Offer};

use super::{
    mutation::Mutation,
    node::{Node, Told, Work},
    parts::{Ask, Message, Part},
    store::{NOW, ORDERS, PRODUCT, PRODUCTS, Payload, Row, Stored, TOPOLOGY},
};

/// Whether the handlers of a record work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handlers {
    /// They do.
    Work,
    /// They fail, and have failed as often as they may.
    Fail,
}

impl Node {
    /// A customer places an order.
    pub(super) fn place(
        &mut self,
        user: UserId,
        lines: &[u64],
        mutation: Option<Mutation>,
    ) -> Vec<Told> {
        let id = self.issue_id(mutation);
        let line = |pieces: &u64| RequestedLine {
            product_id: ProductId::new(PRODUCT).expect("not zero"),
            quantity: Quantity::new(*pieces).expect("a few pieces"),
        };
        let command = Order::create(
            OrderDraft {
                user_id: user,
                lines: lines.iter().map(line).collect(),
                deadline: NOW,
                idempotency: None,
            },
            id,
        );
        let memory = self.orders.entry(id).or_insert(InMemory::new(None));
        let mut work = Work {
            last_id: Some(id),
            ..Work::default()
        };
        if let Ok(decision) = memory.decide(&command, NOW) {
            if let Some(state) = &decision.state {
                work.tell(user, state.id, state.status);
            }
            work.decided(id, decision, Row::Order);
        }
        self.submit(work, mutation)
    }

    /// A customer calls an order off.
    pub(super) fn cancel(
        &mut self,
        order: OrderId,
        user: UserId,
        stored: &Stored,
        mutation: Option<Mutation>,
    ) -> Vec<Told> {
        let mut work = Work::default();
        let command = OrderCommand::CancelOrder(CancelledBy::Customer);
        match self.ask_order(order.get(), &command, stored, &mut work) {
            Ok(()) => work.tell_once(user, order, OrderStatus::Cancelled),
            Err(OrderRejection::NotCancellable { status }) => work.tell(user, order, status),
            Err(_) => {}
        }
        self.submit(work, mutation)
    }

    /// A message has arrived, or has been read from the source's journal.
    pub(super) fn take_up(
        &mut self,
        message: &Message,
        handlers: Handlers,
        stored: &Stored,
        mutation: Option<Mutation>,
    ) -> (Offer, Vec<Told>) {
        let prev = match mutation {
            Some(Mutation::NoPrev) => self.inlet.cursor(),
            _ => message.prev,
        };
        let offer = self.inlet.offer(message.position(), prev);
        let told = match offer {
            Offer::Apply => self.handle(message, handlers, stored, mutation),
            Offer::Gap if mutation == Some(Mutation::GapSkipped) => {
                self.pass_over(message, mutation)
            }
            Offer::Gap | Offer::Duplicate => Vec::new(),
        };
        (offer, told)
    }

    /// Moves the watermark past a record and does nothing about it.
    pub(super) fn pass_over(&mut self, message: &Message, mutation: Option<Mutation>) -> Vec<Told> {
        self.inlet = Inlet::new(self.inlet.cursor().max(message.position()));
        let work = Work {
            watermark: Some(self.inlet.cursor()),
            ..Work::default()
        };
        self.submit(work, mutation)
    }

    fn handle(
        &mut self,
        message: &Message,
        handlers: Handlers,
        stored: &Stored,
        mutation: Option<Mutation>,
    ) -> Vec<Told> {
        let mut work = Work {
            watermark: Some(message.position()),
            ..Work::default()
        };
        for part in message.parts() {
            let is_set_aside = handlers == Handlers::Fail || self.is_parked_for(&part);
            if is_set_aside || !self.ask(&part, stored, &mut work) {
                self.park(message, &part, &mut work, mutation);
            }
        }
        self.submit(work, mutation)
    }

    /// Whether nothing about the message's aggregates keeps it waiting.
    pub(super) fn is_ready_for(&self, message: &Message) -> bool {
        let mut parts = message.parts().into_iter();
        self.barred.is_empty() || parts.all(|part| !self.barred.contains(&part.id))
    }

    /// The handlers of a message decide, and panic. The message will be handed over again.
    pub(super) fn panic_on(
        &mut self,
        message: &Message,
        stored: &Stored,
        mutation: Option<Mutation>,
    ) {
        for part in message.parts() {
            let mut lost = Work::default();
            let _ = self.ask(&part, stored, &mut lost);
            if mutation != Some(Mutation::MemoryKept) {
                self.orders.remove(&part.id);
                self.products.remove(&part.id);
            }
            if self.has_tail() && mutation != Some(Mutation::RebuildBeforeTail) {
                self.barred.insert(part.id);
            }
        }
    }

    /// An operator has something handled that was set aside.
    pub(super) fn retry(
        &mut self,
        command: &ParkedCommand,
        message: &Message,
        stored: &Stored,
        mutation: Option<Mutation>,
    ) -> Vec<Told> {
        let mut work = Work::default();
        let parts = message.parts();
        let mut mine = parts.iter().filter(|part| part.id == command.aggregate_id);
        if mine.all(|part| self.ask(part, stored, &mut work)) {
            self.parked.retain(|parked| parked.id != command.id);
            work.records
                .push(parking(ParkingEvent::ParkedCommandRetried {
                    id: command.id,
                    aggregate_id: command.aggregate_id,
                }));
            work.companion.rows.push(Row::Unparked(command.id));
            self.dealing_with.insert(command.id);
        }
        self.submit(work, mutation)
    }

    /// Orders that wait, whose deadline has passed, and whose creation is committed: the heads that are read speak of
    /// their requests.
    pub(super) fn overdue(&self, stored: &Stored, mutation: Option<Mutation>) -> Vec<u64> {
        let known = self.orders.iter();
        let in_memory = known.filter_map(|(id, order)| Some((*id, order.state()?)));
        let is_committed = |id: &u64| {
            stored.orders.contains_key(id) || mutation == Some(Mutation::DeadlineOfUncommitted)
        };
        let loaded = stored.orders.iter().map(|(id, (order, _))| (*id, order));
        let not_in_memory = loaded.filter(|(id, _)| !self.orders.contains_key(id));
        let all = in_memory.chain(not_in_memory);
        all.filter(|(id, order)| !order.at_rest() && is_committed(id))
            .map(|(id, _)| id)
            .collect()
    }

    /// Looks after overdue orders, of which there are some.
    pub(super) fn look_at_deadlines(
        &mut self,
        stored: &Stored,
        source: &Stored,
        mutation: Option<Mutation>,
    ) -> Vec<Told> {
        let overdue = self.overdue(stored, mutation);
        let (orders, mut confirmation) = self
            .expiry
            .take()
            .unwrap_or_else(|| (overdue.clone(), Confirmation::begin(&stored.head, PRODUCTS)));
        let is_confirmed = confirmation.look((ORDERS, &stored.head), (PRODUCTS, &source.head));
        if !is_confirmed && mutation != Some(Mutation::DeadlineIgnoresLink) {
            self.expiry = Some((orders, confirmation));
            return Vec::new();
        }
        let still_overdue = orders.into_iter().filter(|id| overdue.contains(id));
        let mut told = Vec::new();
        for id in still_overdue {
            let mut work = Work::default();
            let _ = self.ask_order(id, &OrderCommand::ExpireOrder, stored, &mut work);
            told.extend(self.submit(work, mutation));
        }
        told
    }

    /// Has an aggregate decide. Returns whether it did not turn the command down.
    fn ask(&mut self, part: &Part, stored: &Stored, work: &mut Work) -> bool {
        match &part.ask {
            Ask::Order(command) => self.ask_order(part.id, command, stored, work).is_ok(),
            Ask::Product(command) => {
                let row = || InMemory::new(stored.products.get(&part.id).cloned());
                let memory = self.products.entry(part.id).or_insert_with(row);
                let decision = memory.decide(command, NOW);
                decision
                    .map(|decision| work.decided(part.id, decision, Row::Product))
                    .is_ok()
            }
        }
    }

    fn ask_order(
        &mut self,
        id: u64,
        command: &OrderCommand,
        stored: &Stored,
        work: &mut Work,
    ) -> Result<(), OrderRejection> {
        let row = || InMemory::new(stored.orders.get(&id).cloned());
        let memory = self.orders.entry(id).or_insert_with(row);
        let decision = memory.decide(command, NOW)?;
        let comes_to_rest = decision.events.iter().any(settles);
        if let Some(state) = decision.state.as_ref().filter(|_| comes_to_rest) {
            work.tell(state.user_id, state.id, state.status);
        }
        work.decided(id, decision, Row::Order);
        Ok(())
    }

    fn issue_id(&mut self, mutation: Option<Mutation>) -> u64 {
        let last =
            (self.last_id > 0 && mutation != Some(Mutation::ClockIds)).then_some(self.last_id);
        self.last_id = if self.shard == ORDERS {
            OrderId::next(last.and_then(OrderId::new), ORDERS.shard, NOW).get()
        } else {
            next_in_shard(last, PRODUCTS.shard, TOPOLOGY.products)
        };
        self.last_id
    }

    fn is_parked_for(&self, part: &Part) -> bool {
        let mut parked = self.parked.iter();
        parked.any(|parked| parked.aggregate_id == part.id && parked.order_id == Some(part.order))
    }

    /// Sets a part aside. What it says is read again from its source's journal, so it needs no payload here.
    fn park(
        &mut self,
        message: &Message,
        part: &Part,
        work: &mut Work,
        mutation: Option<Mutation>,
    ) {
        let id = self.issue_id(mutation);
        work.last_id = Some(id);
        let command = ParkedCommand {
            id,
            source_domain: message.source.domain,
            source_shard: message.source.shard,
            source_position: message.position(),
            aggregate_id: part.id,
            order_id: Some(part.order),
            event_type: String::new(),
            payload: Vec::new(),
            error: String::new(),
        };
        self.parked.push(command.clone());
        work.companion.rows.push(Row::Parked(command.clone()));
        work.records
            .push(parking(ParkingEvent::CommandParked(command)));
    }
}

impl Work {
    /// An aggregate has decided.
    fn decided<A: Aggregate>(
        &mut self,
        id: u64,
        decision: Decision<A>,
        row: impl FnOnce(A, u64) -> Row,
    ) {
        let first_seq = decision.version + 1 - decision.events.len() as u64;
        let has_changed = !decision.events.is_empty();
        for (seq, event) in (first_seq..).zip(decision.events) {
            self.records.push(record(id, seq, event.into()));
        }
        if let Some(state) = decision.state.filter(|_| has_changed) {
            self.companion.rows.push(row(state, decision.version));
        }
    }

    fn tell(&mut self, user: UserId, order: OrderId, status: OrderStatus) {
        self.companion.told.push(Told {
            user,
            order,
            status,
        });
    }

    fn tell_once(&mut self, user: UserId, order: OrderId, status: OrderStatus) {
        if self.companion.told.is_empty() {
            self.tell(user, order, status);
        }
    }
}

fn settles(event: &OrderEvent) -> bool {
    matches!(
        event,
        OrderEvent::OrderConfirmed { .. }
            | OrderEvent::OrderRejected { .. }
            | OrderEvent::OrderCancelled { .. }
            | OrderEvent::OrderExpired { .. }
    )
}

fn record(about: u64, seq: u64, event: Event) -> NewRecord<domain::ShardRef, Payload> {
    NewRecord {
        targets: routing::inbox_targets(&event, &TOPOLOGY),
        payload: Payload { about, seq, event },
    }
}

fn parking(event: ParkingEvent) -> NewRecord<domain::ShardRef, Payload> {
    let about = match &event {
        ParkingEvent::CommandParked(command) => command.aggregate_id,
        ParkingEvent::ParkedCommandRetried { aggregate_id, .. }
        | ParkingEvent::ParkedCommandDiscarded { aggregate_id, .. } => *aggregate_id,
    };
    record(about, 0, event.into())
}

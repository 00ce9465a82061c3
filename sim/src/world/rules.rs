//! The shop's domains as the engine's rules, with events kept as they are instead of encoded.

mod state;

use std::{sync::Arc, time::Duration};

use domain::{
    Aggregate, Domain, Event, NotificationId, OrderId, ShardRef, Timestamp, Topology,
    ids::next_in_shard,
    notifications::{Channel, NotificationCommand, Template},
    orders::{Order, OrderCommand, OrderEvent},
    parking::{ParkedCommand, ParkingEvent},
    products::Product,
    routing, saga,
};
use engine::{
    NewRecord, Policy,
    shard::{
        calls::KeyOwner,
        rules::{LinkKind, Parking, Part, PartToPark, Rules},
    },
    supervision::Exhausted,
};

pub use self::state::{Command, Draft, Memory, Recorded, Rejection, Row, SetAside, State};

/// The rules of one shard.
#[derive(Clone, Debug)]
pub struct ShopRules {
    /// Which shard.
    pub shard: ShardRef,
    /// How many there are.
    pub topology: Topology,
    /// Whether ids come from the clock alone: wrong, to see that it is noticed.
    pub forgets_last_id: bool,
}

impl ShopRules {
    fn shards_of(&self, domain: Domain) -> impl Iterator<Item = ShardRef> + use<> {
        (0..self.topology.shards(domain)).map(move |shard| ShardRef { domain, shard })
    }

    fn new_record(
        &self,
        event: Event,
        about: u64,
        seq: u64,
        at: Timestamp,
    ) -> NewRecord<ShardRef, Recorded> {
        NewRecord {
            targets: routing::inbox_targets(&event, &self.topology),
            payload: Recorded {
                about,
                seq,
                at,
                event: Arc::new(event),
            },
        }
    }

    /// What an order's event asks of the products of this shard.
    fn requests(&self, event: &OrderEvent, about: u64) -> Vec<Part<Self>> {
        let Some(order_id) = OrderId::new(about) else {
            return Vec::new();
        };
        saga::requests(order_id, event)
            .into_iter()
            .filter(|(product, _)| self.topology.owner_of_product(*product) == self.shard)
            .map(|(product, command)| Part {
                id: product.get(),
                is_new: false,
                command: Command::Product(command),
                subject: Some(order_id),
            })
            .collect()
    }
}

/// What is told to a customer about an order, if something is.
fn notification(
    event: &OrderEvent,
    about: u64,
    issue: &mut dyn FnMut() -> u64,
) -> Vec<Part<ShopRules>> {
    let (
        OrderEvent::OrderConfirmed { user_id, .. }
        | OrderEvent::OrderRejected { user_id, .. }
        | OrderEvent::OrderCancelled { user_id, .. }
        | OrderEvent::OrderExpired { user_id, .. },
        Some(template),
        Some(order_id),
    ) = (event, Template::for_event(event), OrderId::new(about))
    else {
        return Vec::new();
    };
    let number = issue();
    let Some(id) = NotificationId::new(number) else {
        return Vec::new();
    };
    vec![Part {
        id: number,
        is_new: true,
        command: Command::Notification(NotificationCommand::RecordNotification {
            id,
            order_id,
            user_id: *user_id,
            template,
            channel: Channel::Log,
            subject: template.as_str().into(),
            body: "".into(),
        }),
        subject: Some(order_id),
    }]
}

impl Rules for ShopRules {
    type Shard = ShardRef;
    type Time = Timestamp;
    type Aggregate = State;
    type Command = Command;
    type Draft = Draft;
    type Event = Event;
    type Rejection = Rejection;
    type Fact = Arc<Event>;
    type Payload = Recorded;
    type Row = Row;
    type Attachment = ();
    type Parked = SetAside;
    type Subject = Option<OrderId>;
    type Trace = ();

    const POLICY: Policy = Policy {
        kind: "aggregate",
        mailbox_capacity: 1_024,
        restarts_max: 10,
        window: Duration::from_secs(10),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(20),
        on_exhaustion: Exhausted::RestartShard,
    };

    fn sources(&self) -> Vec<(ShardRef, LinkKind)> {
        match self.shard.domain {
            Domain::Orders => (self.shards_of(Domain::Products))
                .map(|source| (source, LinkKind::Inbox))
                .collect(),
            Domain::Products => (self.shards_of(Domain::Orders))
                .map(|source| (source, LinkKind::Inbox))
                .collect(),
            _ => (self.shards_of(Domain::Orders))
                .filter(|source| {
                    routing::public_target(*source, &self.topology) == Some(self.shard)
                })
                .map(|source| (source, LinkKind::Public))
                .collect(),
        }
    }

    fn next_id(&self, last_id: u64, now: Timestamp) -> u64 {
        let last = (last_id > 0 && !self.forgets_last_id).then_some(last_id);
        let number = self.shard.shard;
        match self.shard.domain {
            Domain::Orders => OrderId::next(last.and_then(OrderId::new), number, now).get(),
            domain => {
                let last = (last_id > 0).then_some(last_id);
                next_in_shard(last, number, self.topology.shards(domain))
            }
        }
    }

    fn create(&self, draft: Draft, id: u64) -> Command {
        match draft {
            Draft::Order(draft) => Command::Order(Order::create(draft, id)),
            Draft::Product(draft) => Command::Product(Product::create(draft, id)),
        }
    }

    fn parts(
        &self,
        fact: &Arc<Event>,
        about: u64,
        issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Self>> {
        match (self.shard.domain, &**fact) {
            (Domain::Products, Event::Order(event)) => self.requests(event, about),
            (Domain::Orders, Event::Product(event)) => saga::answer(event)
                .map(|(order_id, answer)| Part {
                    id: order_id.get(),
                    is_new: false,
                    command: Command::Order(OrderCommand::RecordAnswer(answer)),
                    subject: Some(order_id),
                })
                .into_iter()
                .collect(),
            (Domain::Notifications, Event::Order(event)) => notification(event, about, issue),
            _ => Vec::new(),
        }
    }

    fn at_rest(&self, state: &State) -> bool {
        match state {
            State::Order(order) => order.at_rest(),
            State::Product(product) => product.at_rest(),
            State::Notification(notification) => notification.at_rest(),
        }
    }

    fn deadline(&self, state: &State) -> Option<Timestamp> {
        match state {
            State::Order(order) => (!order.at_rest()).then_some(order.deadline),
            _ => None,
        }
    }

    fn on_deadline(&self) -> Option<Command> {
        (self.shard.domain == Domain::Orders).then_some(Command::Order(OrderCommand::ExpireOrder))
    }

    fn subject_of_command(&self, _id: u64) -> Option<OrderId> {
        None
    }

    fn awaited(&self) -> Vec<ShardRef> {
        match self.shard.domain {
            Domain::Orders => self.shards_of(Domain::Products).collect(),
            _ => Vec::new(),
        }
    }

    fn awaited_by(&self, state: &State) -> Vec<ShardRef> {
        match state {
            State::Order(order) => routing::awaited_by(order, &self.topology),
            _ => Vec::new(),
        }
    }

    fn record(
        &self,
        event: Event,
        about: u64,
        seq: u64,
        at: Timestamp,
        _trace: Option<()>,
    ) -> NewRecord<ShardRef, Recorded> {
        self.new_record(event, about, seq, at)
    }

    fn row(&self, state: State, version: u64) -> Row {
        let id = match &state {
            State::Order(order) => order.id.get(),
            State::Product(product) => product.id.get(),
            State::Notification(notification) => notification.id.get(),
        };
        Row::State(id, state, version)
    }

    fn attachment_row(&self, (): (), _id: u64) -> Option<Row> {
        None
    }

    fn key_row(&self, text: String, owner: KeyOwner<Timestamp>) -> Row {
        Row::Key(text, owner)
    }

    fn park(&self, parked: PartToPark<'_, Self>) -> SetAside {
        SetAside {
            command: ParkedCommand {
                id: parked.id,
                source_domain: parked.source.domain,
                source_shard: parked.source.shard,
                source_position: parked.position,
                aggregate_id: parked.part.id,
                order_id: parked.part.subject,
                event_type: "simulated".to_owned(),
                payload: Vec::new(),
                error: parked.error,
            },
            at: parked.at,
            fact: parked.fact.clone(),
        }
    }

    fn failed_again(&self, mut parked: SetAside, error: String) -> SetAside {
        parked.command.error = error;
        parked
    }

    fn parked_id(&self, parked: &SetAside) -> u64 {
        parked.command.id
    }

    fn parked_for(&self, parked: &SetAside) -> (u64, Option<OrderId>) {
        (parked.command.aggregate_id, parked.command.order_id)
    }

    fn parked_fact(&self, parked: &SetAside) -> Result<(Arc<Event>, u64), String> {
        let about = parked.command.order_id.map_or(0, OrderId::get);
        Ok((parked.fact.clone(), about))
    }

    fn parking_record(
        &self,
        parked: &SetAside,
        what: Parking,
        at: Timestamp,
        _trace: Option<()>,
    ) -> NewRecord<ShardRef, Recorded> {
        let (id, aggregate_id) = (parked.command.id, parked.command.aggregate_id);
        let event = match what {
            Parking::Parked => ParkingEvent::CommandParked(parked.command.clone()),
            Parking::Retried => ParkingEvent::ParkedCommandRetried { id, aggregate_id },
            Parking::Discarded => ParkingEvent::ParkedCommandDiscarded { id, aggregate_id },
        };
        self.new_record(event.into(), aggregate_id, 0, at)
    }

    fn parking_row(&self, parked: SetAside, what: Parking) -> Row {
        match what {
            Parking::Parked => Row::Parked(parked),
            Parking::Retried | Parking::Discarded => Row::Unparked(parked.command.id),
        }
    }
}

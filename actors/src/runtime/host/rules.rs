//! A host as the engine's rules.

use std::sync::Arc;

use domain::{
    Aggregate, Event, OrderId, ShardRef, Timestamp, Topology, UserId,
    parking::{ParkedCommand, ParkingEvent},
    routing,
};
use engine::{
    NewRecord, Policy,
    shard::{
        calls::KeyOwner,
        rules::{LinkKind, Parking, Part, PartToPark, Rules},
    },
};
use storage::{Credentials, Key, KeyRecord, ParkedRow, TraceContext};

use crate::runtime::{
    Host,
    decode::decode,
    messages::{Payload, Row},
};

/// What a host says about one shard, as the engine asks for it.
pub struct HostRules<H> {
    host: Arc<H>,
    shard: ShardRef,
    topology: Topology,
}

impl<H: Host> HostRules<H> {
    /// The rules of one shard.
    pub const fn new(host: Arc<H>, shard: ShardRef, topology: Topology) -> Self {
        Self {
            host,
            shard,
            topology,
        }
    }

    /// An event, encoded, with the shards that must act on it.
    fn encoded(
        &self,
        event: Event,
        about: u64,
        seq: u64,
        at: Timestamp,
        trace: Option<TraceContext>,
    ) -> NewRecord<ShardRef, Payload> {
        NewRecord {
            targets: routing::inbox_targets(&event, &self.topology),
            payload: Payload {
                record: storage::NewRecord {
                    aggregate_id: about,
                    seq,
                    time: at,
                    event_type: proto::event_type(&event),
                    payload: proto::encode(&event),
                    trace,
                },
                event: Arc::new(event),
            },
        }
    }
}

impl<H: Host> Rules for HostRules<H> {
    type Shard = ShardRef;
    type Time = Timestamp;
    type Aggregate = H::Aggregate;
    type Command = <H::Aggregate as Aggregate>::Command;
    type Draft = <H::Aggregate as Aggregate>::Draft;
    type Event = <H::Aggregate as Aggregate>::Event;
    type Rejection = <H::Aggregate as Aggregate>::Rejection;
    type Fact = Arc<Event>;
    type Payload = Payload;
    type Row = Row;
    type Attachment = String;
    type Parked = ParkedRow;
    type Subject = Option<OrderId>;
    type Trace = TraceContext;

    const POLICY: Policy = H::POLICY;

    fn sources(&self) -> Vec<(ShardRef, LinkKind)> {
        self.host.sources(self.shard, &self.topology)
    }

    fn next_id(&self, last_id: u64, now: Timestamp) -> u64 {
        self.host.next_id(last_id, self.shard, &self.topology, now)
    }

    fn create(&self, draft: Self::Draft, id: u64) -> Self::Command {
        H::Aggregate::create(draft, id)
    }

    fn parts(
        &self,
        fact: &Arc<Event>,
        about: u64,
        issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Self>> {
        let parts = self
            .host
            .parts(fact, about, self.shard, &self.topology, issue);
        parts
            .into_iter()
            .map(|part| Part {
                id: part.id,
                is_new: part.is_new,
                command: part.command,
                subject: part.order_id,
            })
            .collect()
    }

    fn at_rest(&self, state: &H::Aggregate) -> bool {
        state.at_rest()
    }

    fn deadline(&self, state: &H::Aggregate) -> Option<Timestamp> {
        self.host.deadline(state)
    }

    fn on_deadline(&self) -> Option<Self::Command> {
        self.host.on_deadline()
    }

    fn subject_of_command(&self, _id: u64) -> Option<OrderId> {
        None
    }

    fn awaited(&self) -> Vec<ShardRef> {
        self.host.awaited(&self.topology)
    }

    fn awaited_by(&self, state: &H::Aggregate) -> Vec<ShardRef> {
        self.host.awaited_by(state, &self.topology)
    }

    fn record(
        &self,
        event: Self::Event,
        about: u64,
        seq: u64,
        at: Timestamp,
        trace: Option<TraceContext>,
    ) -> NewRecord<ShardRef, Payload> {
        self.encoded(event.into(), about, seq, at, trace)
    }

    fn row(&self, state: H::Aggregate, version: u64) -> Row {
        self.host.row(state, version)
    }

    fn attachment_row(&self, password_hash: String, id: u64) -> Option<Row> {
        let user_id = UserId::new(id)?;
        Some(Row::Credentials(Credentials {
            user_id,
            password_hash,
        }))
    }

    fn key_row(&self, text: String, owner: KeyOwner<Timestamp>) -> Row {
        Row::Key(KeyRecord {
            key: Key {
                shard: self.shard,
                text,
            },
            owner: storage::KeyOwner {
                aggregate_id: owner.aggregate_id,
                fingerprint: owner.fingerprint,
                expires_at: owner.expires_at,
            },
        })
    }

    fn park(&self, parked: PartToPark<'_, Self>) -> ParkedRow {
        ParkedRow {
            shard: self.shard,
            parked_at: parked.at,
            command: ParkedCommand {
                id: parked.id,
                source_domain: parked.source.domain,
                source_shard: parked.source.shard,
                source_position: parked.position,
                aggregate_id: parked.part.id,
                order_id: parked.part.subject,
                event_type: proto::event_type(parked.fact).to_owned(),
                payload: proto::encode(parked.fact),
                error: parked.error,
            },
        }
    }

    fn failed_again(&self, mut parked: ParkedRow, error: String) -> ParkedRow {
        parked.command.error = error;
        parked
    }

    fn parked_id(&self, parked: &ParkedRow) -> u64 {
        parked.command.id
    }

    fn parked_for(&self, parked: &ParkedRow) -> (u64, Option<OrderId>) {
        (parked.command.aggregate_id, parked.command.order_id)
    }

    fn parked_fact(&self, parked: &ParkedRow) -> Result<(Arc<Event>, u64), String> {
        let command = &parked.command;
        let event = decode(&command.event_type, &command.payload).map_err(|it| it.to_string())?;
        // What parks comes from an order, or is an answer that names its order.
        Ok((Arc::new(event), command.order_id.map_or(0, OrderId::get)))
    }

    fn parking_record(
        &self,
        parked: &ParkedRow,
        what: Parking,
        at: Timestamp,
        trace: Option<TraceContext>,
    ) -> NewRecord<ShardRef, Payload> {
        let (id, aggregate_id) = (parked.command.id, parked.command.aggregate_id);
        let event = match what {
            Parking::Parked => ParkingEvent::CommandParked(parked.command.clone()),
            Parking::Retried => ParkingEvent::ParkedCommandRetried { id, aggregate_id },
            Parking::Discarded => ParkingEvent::ParkedCommandDiscarded { id, aggregate_id },
        };
        self.encoded(event.into(), aggregate_id, 0, at, trace)
    }

    fn parking_row(&self, parked: ParkedRow, what: Parking) -> Row {
        match what {
            Parking::Parked => Row::Parked(parked),
            Parking::Retried | Parking::Discarded => Row::Unparked(self.shard, parked.command.id),
        }
    }
}

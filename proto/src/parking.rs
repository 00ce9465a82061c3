//! Parked commands on the wire.

use domain::{
    Domain, OrderId,
    ids::SHARDS_MAX,
    parking::{ParkedCommand, ParkingEvent},
};
use prost::Message;

use crate::{
    InvalidField,
    common::{choice, id, number, same_values},
    v1,
};

same_values!(
    v1::Domain,
    Domain,
    Auth,
    Orders,
    Products,
    Payments,
    Notifications,
    Logs
);

/// The bytes of an event.
pub(crate) fn encode(event: &ParkingEvent) -> Vec<u8> {
    match event {
        ParkingEvent::CommandParked(parked) => v1::CommandParked {
            id: parked.id,
            source_domain: v1::Domain::from(parked.source_domain).into(),
            source_shard: parked.source_shard.into(),
            source_position: parked.source_position,
            aggregate_id: parked.aggregate_id,
            order_id: parked.order_id.map(OrderId::get),
            event_type: parked.event_type.clone(),
            payload: parked.payload.clone(),
            error: parked.error.clone(),
        }
        .encode_to_vec(),
        ParkingEvent::ParkedCommandRetried { id, aggregate_id } => v1::CommandRetried {
            id: *id,
            aggregate_id: *aggregate_id,
        }
        .encode_to_vec(),
        ParkingEvent::ParkedCommandDiscarded { id, aggregate_id } => v1::CommandDiscarded {
            id: *id,
            aggregate_id: *aggregate_id,
        }
        .encode_to_vec(),
    }
}

impl TryFrom<v1::CommandParked> for ParkingEvent {
    type Error = InvalidField;

    fn try_from(event: v1::CommandParked) -> Result<Self, Self::Error> {
        Ok(Self::CommandParked(ParkedCommand {
            id: number(event.id, "id")?,
            source_domain: choice::<v1::Domain, _>(event.source_domain, "source_domain")?,
            source_shard: shard(event.source_shard, "source_shard")?,
            source_position: number(event.source_position, "source_position")?,
            aggregate_id: number(event.aggregate_id, "aggregate_id")?,
            order_id: event
                .order_id
                .map(|number| id(OrderId::new, number, "order_id"))
                .transpose()?,
            event_type: event.event_type,
            payload: event.payload,
            error: event.error,
        }))
    }
}

impl TryFrom<v1::CommandRetried> for ParkingEvent {
    type Error = InvalidField;

    fn try_from(event: v1::CommandRetried) -> Result<Self, Self::Error> {
        Ok(Self::ParkedCommandRetried {
            id: number(event.id, "id")?,
            aggregate_id: number(event.aggregate_id, "aggregate_id")?,
        })
    }
}

impl TryFrom<v1::CommandDiscarded> for ParkingEvent {
    type Error = InvalidField;

    fn try_from(event: v1::CommandDiscarded) -> Result<Self, Self::Error> {
        Ok(Self::ParkedCommandDiscarded {
            id: number(event.id, "id")?,
            aggregate_id: number(event.aggregate_id, "aggregate_id")?,
        })
    }
}

fn shard(number: u32, field: &str) -> Result<u16, InvalidField> {
    u16::try_from(number)
        .ok()
        .filter(|shard| *shard < SHARDS_MAX)
        .ok_or_else(|| InvalidField::new(field, format_args!("a shard is below {SHARDS_MAX}")))
}

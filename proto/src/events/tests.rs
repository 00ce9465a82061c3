//! That events come back as they went, that nothing else does, and that their bytes never change.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use proptest::{collection::vec, prelude::*};
use prost::{Message, bytes::Bytes};

use super::{DecodeError, EVENT_TYPES, decode, encode, event_type, samples::samples};
use crate::{test_support::event, v1};

const GOLDEN: &str = "golden/events.v1.hex";

proptest! {
    #[test]
    fn an_event_comes_back_as_it_went(event in event()) {
        let bytes = encode(&event);
        prop_assert_eq!(bytes.len(), bytes.capacity());
        prop_assert_eq!(decode(event_type(&event), &bytes), Ok(event));
    }

    #[test]
    fn an_unknown_type_is_refused(name in ".{0,30}", payload in vec(any::<u8>(), 0..50)) {
        prop_assume!(!EVENT_TYPES.contains(&name.as_str()));
        prop_assert_eq!(decode(&name, &payload), Err(DecodeError::UnknownType(name)));
    }

    #[test]
    fn random_bytes_do_no_harm(payload in vec(any::<u8>(), 0..200)) {
        for name in EVENT_TYPES {
            if let Ok(event) = decode(name, &payload) {
                prop_assert_eq!(decode(name, &encode(&event)), Ok(event));
            }
        }
    }

    #[test]
    fn cut_or_altered_bytes_do_no_harm(event in event(), at in any::<proptest::sample::Index>(), by in any::<u8>()) {
        let mut bytes = encode(&event);
        let name = event_type(&event);
        let at = at.index(bytes.len());
        let _ = decode(name, &bytes[..at]);
        bytes[at] = by;
        if let Ok(event) = decode(name, &bytes) {
            prop_assert_eq!(decode(name, &encode(&event)), Ok(event));
        }
    }

    #[test]
    fn bytes_of_another_type_do_no_harm(event in event()) {
        let bytes = encode(&event);
        for name in EVENT_TYPES {
            let _ = decode(name, &bytes);
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_skipped(event in event(), value in any::<u64>()) {
        let mut bytes = encode(&event);
        prost::encoding::uint64::encode(500, &value, &mut bytes);
        prost::encoding::bytes::encode(501, &Bytes::from_static(b"later"), &mut bytes);
        prop_assert_eq!(decode(event_type(&event), &bytes), Ok(event));
    }
}

#[test]
fn the_types_are_frozen() {
    assert_eq!(
        EVENT_TYPES,
        [
            "order.created.v1",
            "order.answer_recorded.v1",
            "order.confirmed.v1",
            "order.rejected.v1",
            "order.cancelled.v1",
            "order.expired.v1",
            "order.late_reservation_released.v1",
            "product.created.v1",
            "product.changed.v1",
            "product.stock_adjusted.v1",
            "stock.reserved.v1",
            "stock.refused.v1",
            "stock.released.v1",
            "user.registered.v1",
            "session.opened.v1",
            "session.refreshed.v1",
            "session.closed.v1",
            "notification.recorded.v1",
            "command.parked.v1",
            "command.retried.v1",
            "command.discarded.v1",
        ]
    );
    let sampled: BTreeSet<_> = samples().iter().map(event_type).collect();
    assert_eq!(sampled, BTreeSet::from(EVENT_TYPES), "a sample of each");
}

/// Adding lines is fine, changing them is not: there are journals with these bytes in them. After adding a sample, run
/// with `UPDATE_GOLDEN=1` and see that the difference is only what was added.
#[test]
fn the_bytes_are_frozen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let mut actual = String::new();
    for event in samples() {
        let bytes = encode(&event);
        writeln!(actual, "{} {}", event_type(&event), hex(&bytes)).unwrap();
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    for (golden, actual) in golden.lines().zip(actual.lines()) {
        assert_eq!(golden, actual, "{GOLDEN} differs from what is written now");
    }
    assert_eq!(golden.lines().count(), actual.lines().count());

    for (line, event) in golden.lines().zip(samples()) {
        let (name, digits) = line.split_once(' ').unwrap();
        assert_eq!(decode(name, &unhex(digits)), Ok(event));
    }
}

#[test]
fn an_empty_payload_is_never_an_event() {
    for name in EVENT_TYPES {
        let error = decode(name, &[]);
        assert!(
            matches!(error, Err(DecodeError::Invalid { .. })),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn cut_bytes_are_malformed() {
    let event = &samples()[0];
    let bytes = encode(event);
    assert!(matches!(
        decode(event_type(event), &bytes[..bytes.len() - 1]),
        Err(DecodeError::Malformed { .. })
    ));
}

#[test]
fn values_that_the_domain_refuses_are_named() {
    let table: [(Record, &str); 20] = [
        (order_created(|event| event.order_id = 0), "order_id"),
        (order_created(|event| event.order_id = 1 << 53), "order_id"),
        (order_created(|event| event.user_id = u64::MAX), "user_id"),
        (order_created(|event| event.lines.clear()), "lines"),
        (
            order_created(|event| event.lines = vec![event.lines[0]; 101]),
            "lines",
        ),
        (
            order_created(|event| event.lines[1].quantity = 0),
            "lines.1.quantity",
        ),
        (
            order_created(|event| event.lines[1].quantity = 10_001),
            "lines.1.quantity",
        ),
        (
            order_created(|event| event.lines[0].product_id = 0),
            "lines.0.product_id",
        ),
        (
            order_created(|event| {
                event.idempotency = Some(v1::IdempotencyKey {
                    key: String::new(),
                    fingerprint: vec![0; 15],
                });
            }),
            "idempotency.fingerprint",
        ),
        (order_confirmed(|event| event.answer = None), "answer"),
        (
            order_confirmed(|event| event.answer.as_mut().unwrap().outcome = None),
            "answer.outcome",
        ),
        (
            order_confirmed(|event| reserved(event).quantity = 1_000_001),
            "answer.reserved.quantity",
        ),
        (
            order_confirmed(|event| reserved(event).sku = "a b".to_owned()),
            "answer.reserved.sku",
        ),
        (
            order_confirmed(|event| reserved(event).unit_price = None),
            "answer.reserved.unit_price",
        ),
        (
            order_confirmed(|event| {
                reserved(event).unit_price.as_mut().unwrap().amount = 1_000_000_000_001;
            }),
            "answer.reserved.unit_price.amount",
        ),
        (
            order_confirmed(|event| event.total.as_mut().unwrap().amount = -1),
            "total.amount",
        ),
        (
            order_confirmed(|event| event.total.as_mut().unwrap().currency = "eur".to_owned()),
            "total.currency",
        ),
        (user_registered(|event| event.role = 0), "role"),
        (user_registered(|event| event.role = 99), "role"),
        (
            user_registered(|event| event.username = "ab".to_owned()),
            "username",
        ),
    ];
    for ((name, payload), expected) in table {
        match decode(name, &payload) {
            Err(DecodeError::Invalid {
                event_type, field, ..
            }) => {
                assert_eq!((event_type.as_str(), field.as_str()), (name, expected));
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn more_values_that_the_domain_refuses_are_named() {
    let table: [(Record, &str); 5] = [
        (
            (
                "stock.released.v1",
                v1::StockReleased {
                    order_id: 1,
                    quantity: 1,
                    stock: Some(v1::Stock {
                        available: u64::MAX,
                        allocated: 1,
                    }),
                }
                .encode_to_vec(),
            ),
            "stock",
        ),
        (
            (
                "stock.refused.v1",
                v1::StockRefused {
                    order_id: 1,
                    product_id: 1,
                    quantity: 1,
                    available: 1_000_000_001,
                }
                .encode_to_vec(),
            ),
            "available",
        ),
        (
            (
                "session.opened.v1",
                v1::SessionOpened {
                    session: Some(v1::Session {
                        id: 1,
                        token_hash: vec![0; 33],
                        expires_at_ms: 0,
                    }),
                }
                .encode_to_vec(),
            ),
            "session.token_hash",
        ),
        (
            (
                "command.parked.v1",
                v1::CommandParked {
                    id: 1,
                    source_domain: v1::Domain::Orders.into(),
                    source_shard: 1_024,
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            "source_shard",
        ),
        (
            (
                "command.retried.v1",
                v1::CommandRetried {
                    id: 1,
                    aggregate_id: 0,
                }
                .encode_to_vec(),
            ),
            "aggregate_id",
        ),
    ];
    for ((name, payload), expected) in table {
        let error = decode(name, &payload).unwrap_err();
        assert!(
            matches!(&error, DecodeError::Invalid { field, .. } if field == expected),
            "{expected}: {error}"
        );
    }
}

/// A type and the bytes beside it.
type Record = (&'static str, Vec<u8>);

fn order_created(spoil: impl FnOnce(&mut v1::OrderCreated)) -> Record {
    altered("order.created.v1", spoil)
}

fn order_confirmed(spoil: impl FnOnce(&mut v1::OrderConfirmed)) -> Record {
    altered("order.confirmed.v1", spoil)
}

fn user_registered(spoil: impl FnOnce(&mut v1::UserRegistered)) -> Record {
    altered("user.registered.v1", spoil)
}

/// The sample of a type after a change.
fn altered<W: Message + Default>(name: &'static str, spoil: impl FnOnce(&mut W)) -> Record {
    let event = samples()
        .into_iter()
        .find(|event| event_type(event) == name)
        .unwrap();
    let mut message = W::decode(encode(&event).as_slice()).unwrap();
    spoil(&mut message);
    (name, message.encode_to_vec())
}

fn reserved(event: &mut v1::OrderConfirmed) -> &mut v1::ReservedAnswer {
    match event.answer.as_mut().unwrap().outcome.as_mut().unwrap() {
        v1::answer::Outcome::Reserved(reserved) => reserved,
        v1::answer::Outcome::Refused(_) => panic!("the sample is a reserved one"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

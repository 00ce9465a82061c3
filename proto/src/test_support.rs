//! Arbitrary events and states, every variant and every value that the domain allows, its bounds included.
//!
//! Everything is boxed: a strategy that holds all others by value is too large for a test thread's stack.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use domain::{
    Aggregate, Currency, Domain, Event, Money, NotificationId, OrderId, ProductId, Quantity, Sku,
    Timestamp, UserId,
    ids::{ID_BOUND, SHARDS_MAX},
    money::AMOUNT_MAX,
    notifications::{Channel, Notification, NotificationEvent, Template},
    orders::{
        Answer, CancelledBy, FulfilmentStatus, IdempotencyKey, LINES_MAX, Line, LineOutcome, Order,
        OrderEvent, OrderStatus, PaymentStatus, RejectionReason, Release, RequestedLine,
    },
    parking::{ParkedCommand, ParkingEvent},
    products::{Product, ProductEvent, STOCK_MAX, Stock},
    users::{Role, Session, SessionEnd, UserEvent, Username},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{PIECES_MAX, TOTAL_MAX};

/// Any event of any domain.
pub(crate) fn event() -> BoxedStrategy<Event> {
    prop_oneof![
        7 => order_event().prop_map(Event::from),
        6 => product_event().prop_map(Event::from),
        4 => user_event().prop_map(Event::from),
        1 => notification_event().prop_map(Event::from),
        3 => parking_event().prop_map(Event::from),
    ]
    .boxed()
}

fn order_event() -> BoxedStrategy<OrderEvent> {
    prop_oneof![
        (
            order_id(),
            user_id(),
            vec(requested_line(), 1..=LINES_MAX),
            timestamp(),
            option::of(idempotency_key()),
        )
            .prop_map(|(order_id, user_id, lines, deadline, idempotency)| {
                OrderEvent::OrderCreated {
                    order_id,
                    user_id,
                    lines,
                    deadline,
                    idempotency,
                }
            }),
        answer().prop_map(|answer| OrderEvent::AnswerRecorded { answer }),
        (user_id(), answer(), money(TOTAL_MAX)).prop_map(|(user_id, answer, total)| {
            OrderEvent::OrderConfirmed {
                user_id,
                answer,
                total,
            }
        }),
        (user_id(), answer(), rejection_reason(), releases(),).prop_map(
            |(user_id, answer, reason, releases)| OrderEvent::OrderRejected {
                user_id,
                answer,
                reason,
                releases,
            }
        ),
        (user_id(), cancelled_by(), releases(),).prop_map(|(user_id, by, releases)| {
            OrderEvent::OrderCancelled {
                user_id,
                by,
                releases,
            }
        }),
        (user_id(), releases())
            .prop_map(|(user_id, releases)| OrderEvent::OrderExpired { user_id, releases }),
        release().prop_map(|release| OrderEvent::LateReservationReleased { release }),
    ]
    .boxed()
}

fn product_event() -> BoxedStrategy<ProductEvent> {
    prop_oneof![
        (product_id(), sku(), text(), text(), price(), stock()).prop_map(
            |(product_id, sku, name, description, price, stock)| ProductEvent::ProductCreated {
                product_id,
                sku,
                name,
                description,
                price,
                stock,
            }
        ),
        (text(), text(), price()).prop_map(|(name, description, price)| {
            ProductEvent::ProductChanged {
                name,
                description,
                price,
            }
        }),
        (any::<i64>(), text(), stock()).prop_map(|(delta, reason, stock)| {
            ProductEvent::StockAdjusted {
                delta,
                reason,
                stock,
            }
        }),
        (
            order_id(),
            product_id(),
            pieces(),
            sku(),
            text(),
            price(),
            stock()
        )
            .prop_map(
                |(order_id, product_id, quantity, sku, name, unit_price, stock)| {
                    ProductEvent::StockReserved {
                        order_id,
                        product_id,
                        quantity,
                        sku,
                        name,
                        unit_price,
                        stock,
                    }
                }
            ),
        (order_id(), product_id(), pieces(), 0..=STOCK_MAX).prop_map(
            |(order_id, product_id, quantity, available)| ProductEvent::StockRefused {
                order_id,
                product_id,
                quantity,
                available,
            }
        ),
        (order_id(), pieces(), stock()).prop_map(|(order_id, quantity, stock)| {
            ProductEvent::StockReleased {
                order_id,
                quantity,
                stock,
            }
        }),
    ]
    .boxed()
}

fn user_event() -> BoxedStrategy<UserEvent> {
    prop_oneof![
        (
            user_id(),
            "[A-Za-z0-9._@-]{3,64}",
            option::of(text()),
            select(vec![Role::Customer, Role::Admin]),
        )
            .prop_map(|(user_id, username, email, role)| {
                UserEvent::UserRegistered {
                    user_id,
                    username: username.parse::<Username>().unwrap(),
                    email,
                    role,
                }
            }),
        session().prop_map(|session| UserEvent::SessionOpened { session }),
        session().prop_map(|session| UserEvent::SessionRefreshed { session }),
        (
            any::<u64>(),
            select(vec![SessionEnd::LoggedOut, SessionEnd::TokenReused]),
        )
            .prop_map(|(id, end)| UserEvent::SessionClosed { id, end }),
    ]
    .boxed()
}

fn notification_event() -> BoxedStrategy<NotificationEvent> {
    (
        id().prop_map(|id| NotificationId::new(id).unwrap()),
        order_id(),
        user_id(),
        select(Template::ALL.to_vec()),
        text(),
        text(),
    )
        .prop_map(|(id, order_id, user_id, template, subject, body)| {
            NotificationEvent::NotificationRecorded {
                id,
                order_id,
                user_id,
                template,
                channel: Channel::Log,
                subject,
                body,
            }
        })
        .boxed()
}

fn parking_event() -> BoxedStrategy<ParkingEvent> {
    prop_oneof![
        (
            id(),
            (select(Domain::ALL.to_vec()), 0..SHARDS_MAX, id(),),
            id(),
            option::of(order_id()),
            (".{0,40}", vec(any::<u8>(), 0..200), ".{0,40}"),
        )
            .prop_map(
                |(id, source, aggregate_id, order_id, (event_type, payload, error))| {
                    ParkingEvent::CommandParked(ParkedCommand {
                        id,
                        source_domain: source.0,
                        source_shard: source.1,
                        source_position: source.2,
                        aggregate_id,
                        order_id,
                        event_type,
                        payload,
                        error,
                    })
                }
            ),
        (id(), id())
            .prop_map(|(id, aggregate_id)| ParkingEvent::ParkedCommandRetried { id, aggregate_id }),
        (id(), id()).prop_map(|(id, aggregate_id)| ParkingEvent::ParkedCommandDiscarded {
            id,
            aggregate_id
        }),
    ]
    .boxed()
}

/// Any order, also one that no sequence of events leads to.
pub(crate) fn order() -> BoxedStrategy<Order> {
    (
        (order_id(), user_id(), select(OrderStatus::ALL.to_vec())),
        vec(line(), 1..=LINES_MAX),
        option::of(money(TOTAL_MAX)),
        option::of(rejection_reason()),
        option::of(cancelled_by()),
        (timestamp(), timestamp(), timestamp()),
    )
        .prop_map(|(ids, lines, total, reason, cancelled_by, times)| Order {
            id: ids.0,
            user_id: ids.1,
            status: ids.2,
            payment_status: PaymentStatus::None,
            fulfilment_status: FulfilmentStatus::None,
            lines,
            total,
            reason,
            cancelled_by,
            deadline: times.0,
            created_at: times.1,
            updated_at: times.2,
        })
        .boxed()
}

/// Any product.
pub(crate) fn product() -> BoxedStrategy<Product> {
    (
        product_id(),
        sku(),
        (text(), text()),
        price(),
        stock(),
        (timestamp(), timestamp()),
    )
        .prop_map(|(id, sku, texts, price, stock, times)| Product {
            id,
            sku,
            name: texts.0,
            description: texts.1,
            price,
            stock,
            created_at: times.0,
            updated_at: times.1,
        })
        .boxed()
}

/// Any notification.
pub(crate) fn notification() -> BoxedStrategy<Notification> {
    (notification_event(), timestamp())
        .prop_map(|(event, at)| Notification::evolve(None, &event, at).unwrap())
        .boxed()
}

fn line() -> BoxedStrategy<Line> {
    let outcome = prop_oneof![
        Just(LineOutcome::Pending),
        Just(LineOutcome::TooLate),
        (0..=STOCK_MAX).prop_map(|available| LineOutcome::Refused { available }),
        (sku(), text(), price()).prop_map(|(sku, name, unit_price)| LineOutcome::Reserved {
            sku,
            name,
            unit_price,
        }),
    ];
    (requested_line(), outcome)
        .prop_map(|(line, outcome)| Line {
            product_id: line.product_id,
            quantity: line.quantity,
            outcome,
        })
        .boxed()
}

fn rejection_reason() -> BoxedStrategy<RejectionReason> {
    select(vec![
        RejectionReason::OutOfStock,
        RejectionReason::CurrencyMismatch,
    ])
    .boxed()
}

pub(crate) fn cancelled_by() -> BoxedStrategy<CancelledBy> {
    select(vec![CancelledBy::Customer, CancelledBy::Admin]).boxed()
}

fn answer() -> BoxedStrategy<Answer> {
    prop_oneof![
        (product_id(), pieces(), sku(), text(), price()).prop_map(
            |(product_id, quantity, sku, name, unit_price)| Answer::Reserved {
                product_id,
                quantity,
                sku,
                name,
                unit_price,
            }
        ),
        (product_id(), 0..=STOCK_MAX).prop_map(|(product_id, available)| Answer::Refused {
            product_id,
            available
        }),
    ]
    .boxed()
}

fn releases() -> BoxedStrategy<Vec<Release>> {
    vec(release(), 0..=10).boxed()
}

fn release() -> BoxedStrategy<Release> {
    (product_id(), pieces())
        .prop_map(|(product_id, quantity)| Release {
            product_id,
            quantity,
        })
        .boxed()
}

pub(crate) fn requested_line() -> BoxedStrategy<RequestedLine> {
    (product_id(), 1..=u64::from(Quantity::MAX))
        .prop_map(|(product_id, quantity)| RequestedLine {
            product_id,
            quantity: Quantity::new(quantity).unwrap(),
        })
        .boxed()
}

pub(crate) fn idempotency_key() -> BoxedStrategy<IdempotencyKey> {
    (text(), any::<[u8; 16]>())
        .prop_map(|(key, fingerprint)| IdempotencyKey { key, fingerprint })
        .boxed()
}

pub(crate) fn session() -> BoxedStrategy<Session> {
    (any::<u64>(), any::<[u8; 32]>(), timestamp())
        .prop_map(|(id, token_hash, expires_at)| Session {
            id,
            token_hash,
            expires_at,
        })
        .boxed()
}

fn stock() -> BoxedStrategy<Stock> {
    (0..=STOCK_MAX)
        .prop_flat_map(|total| (Just(total), 0..=total))
        .prop_map(|(total, available)| Stock {
            available,
            allocated: total - available,
        })
        .boxed()
}

pub(crate) fn price() -> BoxedStrategy<Money> {
    money(AMOUNT_MAX).boxed()
}

fn money(amount_max: i64) -> BoxedStrategy<Money> {
    (
        prop_oneof![Just(0), Just(amount_max), 0..=amount_max],
        "[A-Z]{3}",
    )
        .prop_map(|(amount, currency)| Money {
            amount,
            currency: currency.parse::<Currency>().unwrap(),
        })
        .boxed()
}

fn pieces() -> BoxedStrategy<u64> {
    prop_oneof![Just(1), Just(PIECES_MAX), 1..=PIECES_MAX].boxed()
}

pub(crate) fn sku() -> BoxedStrategy<Sku> {
    "[A-Za-z0-9._-]{1,64}"
        .prop_map(|sku| sku.parse().unwrap())
        .boxed()
}

pub(crate) fn text() -> BoxedStrategy<Arc<str>> {
    ".{0,40}".prop_map(Into::into).boxed()
}

pub(crate) fn timestamp() -> BoxedStrategy<Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis).boxed()
}

pub(crate) fn order_id() -> BoxedStrategy<OrderId> {
    id().prop_map(|id| OrderId::new(id).unwrap()).boxed()
}

pub(crate) fn product_id() -> BoxedStrategy<ProductId> {
    id().prop_map(|id| ProductId::new(id).unwrap()).boxed()
}

pub(crate) fn user_id() -> BoxedStrategy<UserId> {
    id().prop_map(|id| UserId::new(id).unwrap()).boxed()
}

fn id() -> BoxedStrategy<u64> {
    prop_oneof![Just(1), Just(ID_BOUND - 1), 1..ID_BOUND].boxed()
}

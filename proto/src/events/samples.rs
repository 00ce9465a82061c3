//! One event of each type, and more where a message has a choice. Their bytes are in `golden/events.v1.hex`, so they
//! are added to, and never changed.

#![allow(clippy::unwrap_used)]

use domain::{
    Currency, Domain, Event, Money, NotificationId, OrderId, ProductId, Quantity, Timestamp,
    UserId,
    notifications::{Channel, NotificationEvent, Template},
    orders::{
        Answer, CancelledBy, IdempotencyKey, OrderEvent, RejectionReason, Release, RequestedLine,
    },
    parking::{ParkedCommand, ParkingEvent},
    products::{ProductEvent, Stock},
    users::{Role, Session, SessionEnd, UserEvent},
};

pub(super) fn samples() -> Vec<Event> {
    let mut samples: Vec<Event> = orders().into_iter().map(Into::into).collect();
    samples.extend(products().into_iter().map(Event::from));
    samples.extend(users().into_iter().map(Event::from));
    samples.extend(notifications().into_iter().map(Event::from));
    samples.extend(parking().into_iter().map(Event::from));
    samples
}

fn orders() -> Vec<OrderEvent> {
    let lines = vec![
        RequestedLine {
            product_id: product(4),
            quantity: Quantity::new(2).unwrap(),
        },
        RequestedLine {
            product_id: product(9_007_199_254_740_991),
            quantity: Quantity::new(10_000).unwrap(),
        },
    ];
    let reserved = Answer::Reserved {
        product_id: product(4),
        quantity: 3,
        sku: "TEE-XL_2.0".parse().unwrap(),
        name: "T-Shirt, größer".into(),
        unit_price: euro(1_999),
    };
    let refused = Answer::Refused {
        product_id: product(5),
        available: 1,
    };
    let releases = vec![
        Release {
            product_id: product(4),
            quantity: 3,
        },
        Release {
            product_id: product(6),
            quantity: 1_000_000,
        },
    ];
    vec![
        OrderEvent::OrderCreated {
            order_id: order(),
            user_id: user(),
            lines: lines.clone(),
            deadline: Timestamp::from_millis(1_763_842_860_123),
            idempotency: None,
        },
        OrderEvent::OrderCreated {
            order_id: order(),
            user_id: user(),
            lines,
            deadline: Timestamp::from_millis(-1),
            idempotency: Some(IdempotencyKey {
                key: "checkout-7f3a".into(),
                fingerprint: *b"0123456789abcdef",
            }),
        },
        OrderEvent::AnswerRecorded {
            answer: reserved.clone(),
        },
        OrderEvent::AnswerRecorded {
            answer: refused.clone(),
        },
        OrderEvent::OrderConfirmed {
            user_id: user(),
            answer: reserved.clone(),
            total: euro(5_997),
        },
        OrderEvent::OrderRejected {
            user_id: user(),
            answer: refused,
            reason: RejectionReason::OutOfStock,
            releases: releases.clone(),
        },
        OrderEvent::OrderRejected {
            user_id: user(),
            answer: reserved,
            reason: RejectionReason::CurrencyMismatch,
            releases: Vec::new(),
        },
        OrderEvent::OrderCancelled {
            user_id: user(),
            by: CancelledBy::Customer,
            releases: releases.clone(),
        },
        OrderEvent::OrderCancelled {
            user_id: user(),
            by: CancelledBy::Admin,
            releases: Vec::new(),
        },
        OrderEvent::OrderExpired {
            user_id: user(),
            releases: releases.clone(),
        },
        OrderEvent::LateReservationReleased {
            release: releases[0],
        },
    ]
}

fn products() -> Vec<ProductEvent> {
    vec![
        ProductEvent::ProductCreated {
            product_id: product(4),
            sku: "TEE-XL_2.0".parse().unwrap(),
            name: "T-Shirt".into(),
            description: "".into(),
            price: euro(0),
            stock: stock(100, 0),
        },
        ProductEvent::ProductChanged {
            name: "T-Shirt, größer".into(),
            description: "Cotton.".into(),
            price: Money::price(1_000_000_000_000, "JPY".parse().unwrap()).unwrap(),
        },
        ProductEvent::StockAdjusted {
            delta: -10,
            reason: "broken in transit".into(),
            stock: stock(90, 0),
        },
        ProductEvent::StockReserved {
            order_id: order(),
            product_id: product(4),
            quantity: 3,
            sku: "TEE-XL_2.0".parse().unwrap(),
            name: "T-Shirt".into(),
            unit_price: euro(1_999),
            stock: stock(87, 3),
        },
        ProductEvent::StockRefused {
            order_id: order(),
            product_id: product(5),
            quantity: 2,
            available: 1,
        },
        ProductEvent::StockReleased {
            order_id: order(),
            quantity: 3,
            stock: stock(90, 0),
        },
    ]
}

fn users() -> Vec<UserEvent> {
    let session = Session {
        id: u64::MAX,
        token_hash: *b"0123456789abcdef0123456789ABCDEF",
        expires_at: Timestamp::from_millis(1_766_434_800_000),
    };
    vec![
        UserEvent::UserRegistered {
            user_id: user(),
            username: "Ada.Lovelace".parse().unwrap(),
            email: Some("ada@example.com".into()),
            role: Role::Customer,
        },
        UserEvent::UserRegistered {
            user_id: user(),
            username: "admin".parse().unwrap(),
            email: None,
            role: Role::Admin,
        },
        UserEvent::SessionOpened {
            session: session.clone(),
        },
        UserEvent::SessionRefreshed { session },
        UserEvent::SessionClosed {
            id: 7,
            end: SessionEnd::LoggedOut,
        },
        UserEvent::SessionClosed {
            id: 0,
            end: SessionEnd::TokenReused,
        },
    ]
}

fn notifications() -> Vec<NotificationEvent> {
    Template::ALL
        .into_iter()
        .map(|template| NotificationEvent::NotificationRecorded {
            id: NotificationId::new(11).unwrap(),
            order_id: order(),
            user_id: user(),
            template,
            channel: Channel::Log,
            subject: "Your order".into(),
            body: "Thank you.\n".into(),
        })
        .collect()
}

fn parking() -> Vec<ParkingEvent> {
    let mut events: Vec<ParkingEvent> = Domain::ALL
        .into_iter()
        .map(|source_domain| {
            ParkingEvent::CommandParked(ParkedCommand {
                id: 21,
                source_domain,
                source_shard: 1_023,
                source_position: 12_345,
                aggregate_id: 4,
                order_id: (source_domain == Domain::Orders).then(order),
                event_type: "order.created.v1".to_owned(),
                payload: vec![0, 0xff, 0x80],
                error: "the handler panicked".to_owned(),
            })
        })
        .collect();
    events.extend([
        ParkingEvent::ParkedCommandRetried {
            id: 21,
            aggregate_id: 4,
        },
        ParkingEvent::ParkedCommandDiscarded {
            id: 22,
            aggregate_id: 4,
        },
    ]);
    events
}

fn order() -> OrderId {
    OrderId::new(117_532_291_207_176).unwrap()
}

fn user() -> UserId {
    UserId::new(5).unwrap()
}

fn product(number: u64) -> ProductId {
    ProductId::new(number).unwrap()
}

fn euro(cents: i64) -> Money {
    Money {
        amount: cents,
        currency: Currency::EUR,
    }
}

fn stock(available: u64, allocated: u64) -> Stock {
    Stock {
        available,
        allocated,
    }
}

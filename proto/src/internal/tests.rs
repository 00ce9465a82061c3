//! Everything comes back as it went, and what is not for the wire does not go.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use domain::{
    Addressee, Domain, OrderId, ProductId, Quantity, ShardRef, UserId,
    ids::SHARDS_MAX,
    orders::{
        Answer, LINES_MAX, Order, OrderCommand, OrderDraft, OrderRejection, OrderStatus,
        RequestedLine,
    },
    products::{Product, ProductCommand, ProductDraft, ProductRejection, STOCK_MAX},
    users::{Role, SESSIONS_MAX, User, UserCommand, UserDraft, UserRejection},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use prost::Message;

use super::{Command, OnWire, REVISION, shard, v1};
use crate::test_support::{
    cancelled_by, idempotency_key, notification, order, order_id, price, product, product_id,
    requested_line, session, sku, text, timestamp, user_id,
};

fn order_command() -> BoxedStrategy<Addressee<Order>> {
    prop_oneof![
        (
            user_id(),
            vec(requested_line(), 1..=LINES_MAX),
            timestamp(),
            option::of(idempotency_key()),
        )
            .prop_map(|(user_id, lines, deadline, idempotency)| {
                Addressee::New(OrderDraft {
                    user_id,
                    lines,
                    deadline,
                    idempotency,
                })
            }),
        (order_id(), cancelled_by())
            .prop_map(|(id, by)| Addressee::Existing(id.get(), OrderCommand::CancelOrder(by))),
    ]
    .boxed()
}

fn product_command() -> BoxedStrategy<Addressee<Product>> {
    prop_oneof![
        (sku(), text(), text(), price(), any::<u64>()).prop_map(
            |(sku, name, description, price, stock)| Addressee::New(ProductDraft {
                sku,
                name,
                description,
                price,
                stock,
            })
        ),
        (
            product_id(),
            option::of(text()),
            option::of(text()),
            option::of(price()),
        )
            .prop_map(|(id, name, description, price)| {
                let command = ProductCommand::ChangeProduct {
                    name,
                    description,
                    price,
                };
                Addressee::Existing(id.get(), command)
            }),
        (product_id(), any::<i64>(), text()).prop_map(|(id, delta, reason)| {
            Addressee::Existing(id.get(), ProductCommand::AdjustStock { delta, reason })
        }),
    ]
    .boxed()
}

fn user_command() -> BoxedStrategy<Addressee<User>> {
    let role = select(vec![Role::Customer, Role::Admin]);
    prop_oneof![
        ("[A-Za-z0-9._@-]{3,64}", option::of(text()), role).prop_map(|(username, email, role)| {
            Addressee::New(UserDraft {
                username: username.parse().unwrap(),
                email,
                role,
            })
        }),
        (user_id(), session()).prop_map(|(id, session)| {
            Addressee::Existing(id.get(), UserCommand::OpenSession(session))
        }),
        (user_id(), any::<[u8; 32]>(), session()).prop_map(|(id, presented, renewed)| {
            let command = UserCommand::RefreshSession { presented, renewed };
            Addressee::Existing(id.get(), command)
        }),
        (user_id(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(user, id, presented)| {
            Addressee::Existing(user.get(), UserCommand::CloseSession { id, presented })
        }),
    ]
    .boxed()
}

fn user() -> BoxedStrategy<User> {
    (
        user_id(),
        "[A-Za-z0-9._@-]{3,64}",
        option::of(text()),
        select(vec![Role::Customer, Role::Admin]),
        vec(session(), 0..=SESSIONS_MAX),
        (timestamp(), timestamp()),
    )
        .prop_map(|(id, username, email, role, sessions, times)| User {
            id,
            username: username.parse().unwrap(),
            email,
            role,
            sessions,
            created_at: times.0,
            updated_at: times.1,
        })
        .boxed()
}

/// What a command comes to when it has travelled in a request, as text: an addressee has no equality.
fn travelled<A: OnWire>(command: &Addressee<A>) -> String {
    let request = v1::ExecuteRequest {
        command: A::write_command(command),
        needs_revision: REVISION,
        ..Default::default()
    };
    let bytes = request.encode_to_vec();
    let request = v1::ExecuteRequest::decode(bytes.as_slice()).unwrap();
    format!("{:?}", A::read_command(request.command.unwrap()).unwrap())
}

fn state_travelled<A: OnWire>(state: &A) -> A {
    let bytes = state.write_state().encode_to_vec();
    A::read_state(v1::Aggregate::decode(bytes.as_slice()).unwrap()).unwrap()
}

fn rejection_travels<A: OnWire>(rejection: A::Rejection) {
    let bytes = A::write_rejection(&rejection).encode_to_vec();
    let message = v1::Rejection::decode(bytes.as_slice()).unwrap();
    assert_eq!(A::read_rejection(message), Ok(rejection));
}

proptest! {
    #[test]
    fn a_command_for_an_order_comes_back_as_it_went(command in order_command()) {
        prop_assert_eq!(travelled(&command), format!("{command:?}"));
    }

    #[test]
    fn a_command_for_a_product_comes_back_as_it_went(command in product_command()) {
        prop_assert_eq!(travelled(&command), format!("{command:?}"));
    }

    #[test]
    fn a_command_for_a_user_comes_back_as_it_went(command in user_command()) {
        prop_assert_eq!(travelled(&command), format!("{command:?}"));
    }

    #[test]
    fn a_state_comes_back_as_it_went(
        order in order(), product in product(), user in user(), notification in notification()
    ) {
        prop_assert_eq!(state_travelled(&order), order);
        prop_assert_eq!(state_travelled(&product), product);
        prop_assert_eq!(state_travelled(&user), user);
        prop_assert_eq!(state_travelled(&notification), notification);
    }

    #[test]
    fn a_shard_comes_back_as_it_went(
        domain in select(Domain::ALL.to_vec()), number in 0..SHARDS_MAX
    ) {
        let at = ShardRef { domain, shard: number };
        prop_assert_eq!(shard(Some(at.into())), Ok(at));
    }
}

#[test]
fn a_rejection_comes_back_as_it_went() {
    rejection_travels::<Order>(OrderRejection::UnknownOrder);
    rejection_travels::<Order>(OrderRejection::InvalidLineCount);
    for status in OrderStatus::ALL {
        rejection_travels::<Order>(OrderRejection::NotCancellable { status });
    }
    rejection_travels::<Product>(ProductRejection::UnknownProduct);
    for count in [0, 1, STOCK_MAX] {
        rejection_travels::<Product>(ProductRejection::InsufficientStock { available: count });
        rejection_travels::<Product>(ProductRejection::NotAllocated { allocated: count });
    }
    rejection_travels::<Product>(ProductRejection::StockTooLarge);
    rejection_travels::<User>(UserRejection::UnknownUser);
    rejection_travels::<User>(UserRejection::SessionOver);
}

#[test]
fn what_a_shard_asks_of_its_own_aggregates_does_not_travel() {
    let (order_id, product_id) = (OrderId::new(1).unwrap(), ProductId::new(1).unwrap());
    let answer = Answer::Refused {
        product_id,
        available: 0,
    };
    for command in [
        OrderCommand::RecordAnswer(answer),
        OrderCommand::ExpireOrder,
    ] {
        assert!(Order::write_command(&Addressee::Existing(1, command)).is_none());
    }
    for command in [
        ProductCommand::ReserveStock {
            order_id,
            product_id,
            quantity: 1,
        },
        ProductCommand::ReleaseStock {
            order_id,
            quantity: 1,
        },
    ] {
        assert!(Product::write_command(&Addressee::Existing(1, command)).is_none());
    }
}

#[test]
fn nothing_is_taken_for_something_else() {
    fn refused<T: Debug>(read: Result<T, crate::InvalidField>, field: &str) {
        assert_eq!(read.unwrap_err().field, field);
    }
    let draft = OrderDraft {
        user_id: UserId::new(1).unwrap(),
        lines: vec![RequestedLine {
            product_id: ProductId::new(1).unwrap(),
            quantity: Quantity::new(1).unwrap(),
        }],
        deadline: domain::Timestamp::from_millis(0),
        idempotency: None,
    };
    let command = Order::write_command(&Addressee::New(draft)).unwrap();
    refused(Product::read_command(command.clone()), "command");
    refused(User::read_command(command), "command");
    refused(Order::read_state(v1::Aggregate { state: None }), "state");
    let over = User::write_rejection(&UserRejection::SessionOver);
    refused(Order::read_rejection(over), "reason");
    refused(
        Order::read_rejection(v1::Rejection { reason: None }),
        "reason",
    );
    let cancel = v1::CancelOrder { order_id: 0, by: 1 };
    refused(
        Order::read_command(Command::CancelOrder(cancel)),
        "order_id",
    );
    let create = v1::CreateOrder {
        user_id: 1,
        ..Default::default()
    };
    refused(Order::read_command(Command::CreateOrder(create)), "lines");
    refused(shard(None), "shard");
    let number = u32::from(SHARDS_MAX);
    refused(shard(Some(v1::Shard { domain: 2, number })), "shard.number");
    refused(
        shard(Some(v1::Shard {
            domain: 99,
            number: 0,
        })),
        "shard.domain",
    );
}

#[test]
fn a_command_of_a_later_version_is_none_that_is_known() {
    // Field 99 of the oneof, with an empty message.
    let bytes = [0x9a, 0x06, 0x00];
    let request = v1::ExecuteRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!(request.command, None);
}

#[test]
fn the_service_is_in_no_public_set() {
    let name = b"ShardService";
    assert!(
        !crate::FILE_DESCRIPTOR_SET
            .windows(name.len())
            .any(|bytes| bytes == name)
    );
}

//! Orders, what is wrong with them, and their keys.

use std::time::Duration;

use super::*;

#[test]
fn orders_are_confirmed_or_rejected_and_nobody_elses() {
    run(|node| async move {
        let (ann, bob) = (node.customer("ann").await, node.customer("bob").await);
        let scarce = node.product("SCARCE", 3).await;
        let placed = node.order(&ann, new_order(scarce, 2, None)).await.unwrap();
        let order = placed.order.unwrap();
        assert_eq!(order.status(), v1::OrderStatus::Confirmed);
        assert_eq!(order.total.as_ref().unwrap().amount, 1_000);

        // Out of stock is an answer.
        let placed = node.order(&bob, new_order(scarce, 2, None)).await.unwrap();
        let refused = placed.order.unwrap();
        assert_eq!(refused.status(), v1::OrderStatus::Rejected);
        assert_eq!(refused.reason(), v1::RejectionReason::OutOfStock);

        let get = v1::GetOrderRequest { id: order.id };
        let own = node
            .orders()
            .get_order(with_token(&ann, get))
            .await
            .unwrap();
        assert_eq!(own.into_inner().order.unwrap(), order);
        let others = node.orders().get_order(with_token(&bob, get)).await;
        assert_eq!(others.unwrap_err().code(), Code::NotFound);
        let seen = node.orders().get_order(with_token(&node.admin, get)).await;
        assert!(seen.is_ok());
        let cancel = v1::CancelOrderRequest { id: order.id };
        let others = node.orders().cancel_order(with_token(&bob, cancel)).await;
        assert_eq!(others.unwrap_err().code(), Code::NotFound);

        let list = v1::ListOrdersRequest::default();
        let listed = node.orders().list_orders(with_token(&bob, list)).await;
        let listed = listed.unwrap().into_inner().orders;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id, refused.id);
        let stuck = v1::ListOrdersRequest {
            stuck: true,
            ..v1::ListOrdersRequest::default()
        };
        let stuck = node.orders().list_orders(with_token(&bob, stuck)).await;
        assert_eq!(stuck.unwrap_err().code(), Code::PermissionDenied);

        let cancel = v1::CancelOrderRequest { id: refused.id };
        let refused = node.orders().cancel_order(with_token(&bob, cancel)).await;
        assert_eq!(reason(&refused.unwrap_err()), "not_cancellable");
        node
    });
}

#[test]
fn what_is_wrong_with_an_order_is_told_with_its_place() {
    run(|node| async move {
        let ann = node.customer("ann").await;
        let line = |product_id, quantity| v1::RequestedLine {
            product_id,
            quantity,
        };
        let order = |lines| v1::CreateOrderRequest {
            lines,
            ..v1::CreateOrderRequest::default()
        };
        let known = node.product("TEE", 5).await;
        for (request, expected) in [
            (order(vec![]), vec![("lines", "out_of_range")]),
            (
                order(vec![line(known, 1); 101]),
                vec![("lines", "out_of_range")],
            ),
            (
                order(vec![line(known, 1), line(0, 10_001)]),
                vec![
                    ("lines[1].product_id", "out_of_range"),
                    ("lines[1].quantity", "out_of_range"),
                ],
            ),
            (
                order(vec![line(known, 1), line(4_711, 1)]),
                vec![("lines[1].product_id", "unknown_product")],
            ),
            (
                new_order(known, 1, Some("not visible")),
                vec![("idempotency_key", "invalid_format")],
            ),
        ] {
            let status = node.order(&ann, request).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "validation_failed")
            );
            let found = violations(&status);
            let found: Vec<_> = found
                .iter()
                .map(|(field, reason)| (field.as_str(), reason.as_str()))
                .collect();
            assert_eq!(found, expected);
        }
        node
    });
}

#[test]
fn a_key_names_one_order_whichever_way_it_comes() {
    run(|node| async move {
        let ann = node.customer("ann").await;
        let product = node.product("TEE", 5).await;
        let first = node.order(&ann, new_order(product, 1, Some("k"))).await;
        let first = first.unwrap();
        let again = node.order(&ann, new_order(product, 1, Some("k"))).await;
        let again = again.unwrap();
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(first.order, again.order);
        let other = node.order(&ann, new_order(product, 2, Some("k"))).await;
        let other = other.unwrap_err();
        assert_eq!(
            (other.code(), reason(&other).as_str()),
            (Code::InvalidArgument, "idempotency_key_reused")
        );

        // As HTTP sends it.
        let identity = node.shop.auth.verify(&ann, Audience::Api).unwrap();
        let lines = vec![RequestedLine {
            product_id: ProductId::new(product).unwrap(),
            quantity: Quantity::new(1).unwrap(),
        }];
        let same = place(identity.user_id, lines, "k");
        let same = node.shop.orders.place(same).await.unwrap();
        assert!(same.replayed);
        assert_eq!(same.order.id.get(), first.order.unwrap().id);
        node
    });
}

fn place(user_id: UserId, lines: Vec<RequestedLine>, key: &str) -> PlaceOrder {
    PlaceOrder {
        user_id,
        idempotency: Some(actors::edge::idempotency_key(key, lines.as_slice())),
        lines,
        wait: Duration::from_secs(10),
    }
}

//! What an order that was placed, or repeated, is answered with.

#![allow(clippy::unwrap_used)]

use actix_web::{FromRequest, body::to_bytes, test::TestRequest};
use domain::{
    Currency, Money, Quantity, Timestamp, UserId,
    orders::{FulfilmentStatus, Line, LineOutcome, PaymentStatus},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    problem::{Form, render},
    trace::TraceId,
};

fn line(product: u64, quantity: u64, outcome: LineOutcome) -> Line {
    Line {
        product_id: ProductId::new(product).unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        outcome,
    }
}

fn reserved() -> LineOutcome {
    LineOutcome::Reserved {
        sku: "ROPE".parse().unwrap(),
        name: "Rope".into(),
        unit_price: Money::price(250, Currency::EUR).unwrap(),
    }
}

fn order(status: OrderStatus, reason: Option<RejectionReason>, lines: Vec<Line>) -> Order {
    Order {
        id: OrderId::new(17).unwrap(),
        user_id: UserId::new(7).unwrap(),
        status,
        payment_status: PaymentStatus::None,
        fulfilment_status: FulfilmentStatus::None,
        lines,
        total: None,
        reason,
        cancelled_by: None,
        deadline: Timestamp::from_millis(60_000),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(1),
    }
}

/// Status, headers of interest and body.
async fn answer(order: Order, replayed: bool, prefer: &str) -> (u16, [Option<String>; 3], Value) {
    let request = TestRequest::default()
        .insert_header(("prefer", prefer))
        .to_http_request();
    let prefer = Prefer::extract(&request).await.unwrap();
    let answer = outcome(Placed { order, replayed }, prefer)
        .unwrap_or_else(|problem| render(&problem, TraceId::random(), Form::Problem));
    let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
    let headers = ["location", "idempotent-replayed", "preference-applied"].map(header);
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body()).await.unwrap_or_default();
    (status, headers, serde_json::from_slice(&body).unwrap())
}

#[actix_web::test]
async fn the_status_follows_from_the_order_as_it_is_now() {
    let lines = || vec![line(4, 2, reserved())];
    for (status, expected) in [
        (OrderStatus::Created, 202),
        (OrderStatus::Reserved, 202),
        (OrderStatus::Confirmed, 201),
        (OrderStatus::Cancelled, 201),
        (OrderStatus::Rejected, 409),
        (OrderStatus::Expired, 409),
    ] {
        let (found, headers, body) = answer(order(status, None, lines()), true, "wait=99").await;
        assert_eq!(found, expected, "{status}");
        let headers = headers.map(Option::unwrap);
        assert_eq!(headers, ["/v1/orders/17", "true", "wait=30"], "{status}");
        let id = if expected == 409 {
            &body["order_id"]
        } else {
            &body["id"]
        };
        assert_eq!(id, 17, "{body:#}");
    }
    let (_, headers, _) = answer(order(OrderStatus::Confirmed, None, lines()), false, "").await;
    assert_eq!(headers, [Some("/v1/orders/17".to_owned()), None, None]);
}

#[actix_web::test]
async fn a_refused_order_says_what_was_short_once_for_each_product() {
    let lines = vec![
        line(4, 2, LineOutcome::Refused { available: 3 }),
        line(5, 1, reserved()),
        line(4, 2, LineOutcome::Refused { available: 3 }),
        line(6, 1, LineOutcome::Refused { available: 0 }),
    ];
    let refused = order(
        OrderStatus::Rejected,
        Some(RejectionReason::OutOfStock),
        lines,
    );
    let (status, _, problem) = answer(refused, false, "").await;
    assert_eq!((status, &problem["code"]), (409, &json!("out_of_stock")));
    let short = json!([
        {"product_id": 4, "quantity": 4, "available": 3},
        {"product_id": 6, "quantity": 1, "available": 0},
    ]);
    assert_eq!(
        (&problem["order_id"], &problem["lines"]),
        (&json!(17), &short)
    );
}

#[actix_web::test]
async fn other_reasons_have_codes_of_their_own_and_no_lines() {
    for (status, reason, code) in [
        (
            OrderStatus::Rejected,
            Some(RejectionReason::CurrencyMismatch),
            "currency_mismatch",
        ),
        (OrderStatus::Expired, None, "expired"),
    ] {
        let lines = vec![line(4, 2, reserved()), line(5, 1, LineOutcome::Pending)];
        let (found, _, problem) = answer(order(status, reason, lines), false, "").await;
        assert_eq!((found, &problem["code"]), (409, &json!(code)));
        assert_eq!(problem["lines"], json!([]));
    }
}

#[actix_web::test]
async fn an_order_shows_null_for_what_is_not_known_yet() {
    let (_, _, body) = answer(
        order(
            OrderStatus::Created,
            None,
            vec![line(4, 2, LineOutcome::Pending)],
        ),
        false,
        "",
    )
    .await;
    let expected = json!({
        "id": 17,
        "user_id": 7,
        "status": "created",
        "payment_status": "none",
        "fulfilment_status": "none",
        "lines": [{"product_id": 4, "sku": null, "name": null, "quantity": 2, "unit_price": null}],
        "total": null,
        "reason": null,
        "created_at": "1970-01-01T00:00:00.000Z",
        "updated_at": "1970-01-01T00:00:00.001Z",
    });
    assert_eq!(body, expected);
}

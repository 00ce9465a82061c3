//! An order of one line on its way, and the product it asks for.

use domain::{
    Aggregate, Currency, Money, OrderId, ProductId, Quantity, Timestamp, UserId,
    orders::{Answer, Order, OrderCommand, OrderDraft, RequestedLine},
    products::{Product, ProductCommand, ProductDraft},
};

/// When everything happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Which product.
pub(crate) const PRODUCT: u64 = 17;
/// Who orders.
const USER: u64 = 7;
const STOCK: u64 = 1_000_000_000;

/// The product.
pub(crate) fn product_id() -> ProductId {
    ProductId::new(PRODUCT).unwrap()
}

/// The order.
pub(crate) fn order_id() -> OrderId {
    OrderId::next(None, 3, NOW)
}

/// The command that places the order.
pub(crate) fn create_order() -> OrderCommand {
    let draft = OrderDraft {
        user_id: UserId::new(USER).unwrap(),
        lines: vec![RequestedLine {
            product_id: product_id(),
            quantity: Quantity::new(1).unwrap(),
        }],
        deadline: NOW,
        idempotency: None,
    };
    Order::create(draft, order_id().get())
}

/// The command that records the product's answer.
pub(crate) fn record_answer() -> OrderCommand {
    OrderCommand::RecordAnswer(Answer::Reserved {
        product_id: product_id(),
        quantity: 1,
        sku: "LOAD-0123abcd-17".parse().unwrap(),
        name: "Load 17".into(),
        unit_price: price(),
    })
}

/// The command that holds a piece for the order.
pub(crate) fn reserve() -> ProductCommand {
    ProductCommand::ReserveStock {
        order_id: order_id(),
        product_id: product_id(),
        quantity: 1,
    }
}

/// The order, placed.
pub(crate) fn order() -> Order {
    after(None, &create_order())
}

/// The product, in stock.
pub(crate) fn product() -> Product {
    let draft = ProductDraft {
        sku: "LOAD-0123abcd-17".parse().unwrap(),
        name: "Load 17".into(),
        description: "".into(),
        price: price(),
        stock: STOCK,
    };
    after(None, &Product::create(draft, PRODUCT))
}

/// The state after a command that nothing is wrong with.
pub(crate) fn after<A: Aggregate>(state: Option<A>, command: &A::Command) -> A {
    let events = A::decide(state.as_ref(), command, NOW).unwrap();
    A::evolve_all(state, &events, NOW).unwrap()
}

fn price() -> Money {
    Money::price(1_250, Currency::EUR).unwrap()
}

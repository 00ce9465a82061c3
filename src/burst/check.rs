//! Holds what the crowd was told against what the shop says in the end.

use std::collections::{HashMap, HashSet};

use super::{
    books::{Answered, Books, Cancelled, Told},
    market::Market,
    observe::{Observed, Seen, Status},
    plan::Plan,
    scenario::Wanted,
};
use crate::finding::Finding;

/// What the run has put into the shop, by number.
pub(super) struct Furniture<'a> {
    pub(super) products: &'a [u64],
    pub(super) stock: u64,
}

/// Everything that can be seen from outside.
pub(super) fn check(
    books: &Books,
    observed: &Observed,
    market: &Market,
    plan: &Plan,
) -> Vec<Finding> {
    let furniture = Furniture {
        products: &market.products,
        stock: plan.stock,
    };
    let mut findings = check_orders(books, observed, &furniture);
    findings.extend(check_stock(observed, &furniture));
    findings
}

/// Whether stock and sales are balanced.
pub(super) fn stock(observed: &Observed, market: &Market, plan: &Plan) -> Finding {
    let furniture = Furniture {
        products: &market.products,
        stock: plan.stock,
    };
    let [balanced, _] = check_stock(observed, &furniture);
    balanced
}

fn check_orders(books: &Books, observed: &Observed, furniture: &Furniture<'_>) -> Vec<Finding> {
    let mut kept = Finding::new(
        "B1",
        "every answered order is there, for its buyer and as it was asked for",
    );
    let mut settled = Finding::new("B2", "every order is settled");
    let mut agreed = Finding::new("B3", "every order has become what its buyer was told");
    let mut once = Finding::new("B4", "no id was given twice");
    let mut asked = Finding::new("B5", "there is no order that nobody has asked for");
    let mut seen: HashMap<u64, &Seen> = HashMap::with_capacity(observed.orders.len());
    for order in &observed.orders {
        let is_first = seen.insert(order.id, order).is_none();
        once.check(is_first, || format!("order {} is listed twice", order.id));
        settled.check(order.status.is_settled(), || {
            format!("order {} is {}", order.id, order.status.name())
        });
    }
    let mut ids = HashSet::with_capacity(books.told.len());
    for told in &books.told {
        let id = told.id;
        once.check(ids.insert(id), || {
            format!("two orders were given the id {id}")
        });
        let order = seen.get(&id);
        kept.check(
            order.is_some_and(|order| is_as_wanted(order, told.wanted, furniture)),
            || match order {
                None => format!("order {id} is gone: {told:?}"),
                Some(order) => format!("order {id} is another: {told:?}, {order:?}"),
            },
        );
        if let Some(order) = order.filter(|order| order.status.is_settled()) {
            agreed.check(may_have_become(told, order.status), || {
                format!(
                    "order {id} was answered {:?} and is {}",
                    told.answer,
                    order.status.name()
                )
            });
        }
    }
    let mut in_doubt = books.in_doubt.clone();
    for order in &observed.orders {
        let is_known = ids.contains(&order.id)
            || wanted(order, furniture)
                .and_then(|wanted| in_doubt.get_mut(&wanted))
                .is_some_and(|count| {
                    let is_left = *count > 0;
                    *count = count.saturating_sub(1);
                    is_left
                });
        asked.check(is_known, || format!("nobody was told of {order:?}"));
    }
    vec![kept, settled, agreed, once, asked]
}

fn check_stock(observed: &Observed, furniture: &Furniture<'_>) -> [Finding; 2] {
    let mut balanced = Finding::new("B6", "stock put in = sold + left, of every product");
    let mut bounded = Finding::new("B7", "no more is sold than there was, of any product");
    let mut sold: HashMap<u64, u64> = HashMap::new();
    let orders = observed.orders.iter();
    for order in orders.filter(|order| order.status == Status::Confirmed) {
        *sold.entry(order.product_id).or_default() += order.pieces;
    }
    for (number, id) in furniture.products.iter().enumerate() {
        let put_in = furniture.stock;
        let sold = sold.get(id).copied().unwrap_or(0);
        let left = observed.left.get(number).copied();
        let is_right = left.is_some_and(|left| left + sold == put_in);
        balanced.check(is_right, || {
            format!("product {id}: {put_in} put in, {sold} sold, {left:?} left")
        });
        bounded.check(sold <= put_in, || {
            format!("product {id}: {put_in} put in, {sold} sold")
        });
    }
    [balanced, bounded]
}

fn is_as_wanted(order: &Seen, wanted: Wanted, furniture: &Furniture<'_>) -> bool {
    let product = furniture.products.get(wanted.product as usize);
    order.buyer == wanted.buyer
        && Some(&order.product_id) == product
        && order.pieces == u64::from(wanted.pieces)
}

fn wanted(order: &Seen, furniture: &Furniture<'_>) -> Option<Wanted> {
    let mut products = furniture.products.iter();
    let product = products.position(|id| *id == order.product_id)?;
    Some(Wanted {
        buyer: order.buyer,
        product: u32::try_from(product).ok()?,
        pieces: u32::try_from(order.pieces).ok()?,
    })
}

/// Whether an order of which this was told may have settled like that.
const fn may_have_become(told: &Told, status: Status) -> bool {
    match (told.answer, told.cancelled, status) {
        (_, Cancelled::Yes, status) => matches!(status, Status::Cancelled),
        (_, Cancelled::InDoubt, Status::Cancelled) => true,
        (Answered::Confirmed, _, status) => matches!(status, Status::Confirmed),
        (Answered::Accepted, _, status) => {
            matches!(
                status,
                Status::Confirmed | Status::Rejected | Status::Expired
            )
        }
        (Answered::Refused, _, status) => matches!(status, Status::Rejected | Status::Expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FURNITURE: Furniture<'static> = Furniture {
        products: &[70, 71],
        stock: 10,
    };

    fn wanted_of(buyer: u32, product: u32) -> Wanted {
        Wanted {
            buyer,
            product,
            pieces: 2,
        }
    }

    fn seen(id: u64, buyer: u32, product: u32, status: Status) -> Seen {
        Seen {
            id,
            buyer,
            status,
            product_id: 70 + u64::from(product),
            pieces: 2,
        }
    }

    /// Books and a shop that agree: one order of each kind, one that was not answered, one that was cancelled.
    fn balanced() -> (Books, Observed) {
        let mut books = Books::default();
        books.told(1, wanted_of(0, 0), Answered::Confirmed);
        books.told(2, wanted_of(1, 0), Answered::Accepted);
        books.told(3, wanted_of(0, 1), Answered::Refused);
        books.in_doubt(wanted_of(1, 1));
        let cancelled = books.told(5, wanted_of(1, 1), Answered::Confirmed);
        books.cancelled(cancelled, Cancelled::Yes);
        let observed = Observed {
            orders: vec![
                seen(1, 0, 0, Status::Confirmed),
                seen(2, 1, 0, Status::Confirmed),
                seen(3, 0, 1, Status::Rejected),
                seen(4, 1, 1, Status::Confirmed),
                seen(5, 1, 1, Status::Cancelled),
            ],
            left: vec![6, 8],
            settled_after: None,
        };
        (books, observed)
    }

    fn violated(books: &Books, observed: &Observed) -> Vec<&'static str> {
        let mut findings = check_orders(books, observed, &FURNITURE);
        findings.extend(check_stock(observed, &FURNITURE));
        let violated = findings.iter().filter(|finding| finding.violations > 0);
        violated.map(|finding| finding.id).collect()
    }

    #[test]
    fn books_that_agree_are_found_to_agree() {
        let (books, observed) = balanced();
        assert_eq!(violated(&books, &observed), Vec::<&str>::new());
    }

    #[test]
    fn an_order_that_is_gone_is_found() {
        let (books, mut observed) = balanced();
        observed.orders.remove(0);
        assert_eq!(violated(&books, &observed), ["B1", "B6"]);
    }

    #[test]
    fn an_order_of_another_buyer_product_or_number_of_pieces_is_found() {
        for change in [
            (|seen| seen.buyer = 7) as fn(&mut Seen),
            |seen| seen.product_id = 99,
            |seen| seen.pieces = 3,
        ] {
            let (books, mut observed) = balanced();
            change(&mut observed.orders[0]);
            assert_eq!(violated(&books, &observed)[0], "B1");
        }
    }

    #[test]
    fn an_order_that_does_not_settle_is_found() {
        let (books, mut observed) = balanced();
        observed.orders[1].status = Status::Reserved;
        assert_eq!(violated(&books, &observed), ["B2", "B6"]);
    }

    #[test]
    fn an_order_that_became_something_else_is_found() {
        for (number, status) in [
            (0, Status::Rejected),
            (0, Status::Cancelled),
            (1, Status::Cancelled),
            (2, Status::Confirmed),
            (4, Status::Confirmed),
        ] {
            let (books, mut observed) = balanced();
            observed.orders[number].status = status;
            assert!(violated(&books, &observed).contains(&"B3"), "{status:?}");
        }
    }

    #[test]
    fn an_id_that_is_given_twice_is_found() {
        let (mut books, observed) = balanced();
        books.told(1, wanted_of(0, 0), Answered::Confirmed);
        assert_eq!(violated(&books, &observed), ["B4"]);
    }

    #[test]
    fn an_order_that_nobody_asked_for_is_found() {
        let (mut books, mut observed) = balanced();
        books.in_doubt.clear();
        assert_eq!(violated(&books, &observed), ["B5"]);
        let (books, _) = balanced();
        observed.orders.push(seen(6, 1, 1, Status::Rejected));
        assert_eq!(
            violated(&books, &observed),
            ["B5"],
            "one is in doubt, not two"
        );
    }

    #[test]
    fn stock_that_is_lost_or_oversold_is_found() {
        let (books, mut observed) = balanced();
        observed.left[0] = 5;
        assert_eq!(violated(&books, &observed), ["B6"]);
        let (mut books, mut observed) = balanced();
        for id in 10..14 {
            books.told(id, wanted_of(0, 0), Answered::Confirmed);
            observed.orders.push(seen(id, 0, 0, Status::Confirmed));
        }
        assert_eq!(violated(&books, &observed), ["B6", "B7"]);
    }
}

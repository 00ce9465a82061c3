//! Holds what the crowd was told against what the shop says in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ledger::{Ledger, Outcome, Told},
    market::Product,
};
use crate::finding::EXAMPLES_MAX;
pub(super) use crate::finding::Finding;

/// What the shop says.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Every order that each buyer sees.
    pub(super) orders: Vec<Vec<Value>>,
    /// Pieces that are left, by product.
    pub(super) available: BTreeMap<u64, u64>,
}

impl Observed {
    /// Pieces of confirmed orders, by product.
    pub(super) fn sold(&self) -> BTreeMap<u64, u64> {
        let mut sold = BTreeMap::new();
        let orders = self.orders.iter().flatten();
        for order in orders.filter(|order| order["status"] == "confirmed") {
            for line in order["lines"].as_array().into_iter().flatten() {
                let product = line["product_id"].as_u64().unwrap_or(0);
                *sold.entry(product).or_default() += line["quantity"].as_u64().unwrap_or(0);
            }
        }
        sold
    }

    /// Products whose stock is not what was put in less what was sold.
    pub(super) fn wrong_stock(&self, products: &[Product], ledger: &Ledger) -> Vec<String> {
        let sold = self.sold();
        let products = products.iter();
        products
            .filter_map(|product| {
                let restocked = ledger.restocked.get(&product.id).copied().unwrap_or(0);
                let put_in = product.stock + restocked;
                let sold = sold.get(&product.id).copied().unwrap_or(0);
                let left = self.available.get(&product.id).copied();
                let is_right = left.is_some_and(|left| left + sold == put_in);
                (!is_right).then(|| {
                    let id = product.id;
                    format!("product {id}: {put_in} pieces put in, {sold} sold, {left:?} left")
                })
            })
            .collect()
    }
}

/// Everything that can be seen from outside.
pub(super) fn check(
    ledger: &Ledger,
    observed: &Observed,
    products: &[Product],
    buyer_of: impl Fn(usize) -> usize,
) -> Vec<Finding> {
    let mut kept = Finding::new(
        "C1",
        "every answered order is there for its buyer, and is what he was told",
    );
    let mut keys = Finding::new("C2", "one order per key, and no order that nobody placed");
    let mut stock = Finding::new(
        "C3",
        "stock put in = left + sold, and never more sold than put in",
    );
    let mut answers = Finding::new(
        "C4",
        "every order is answered, and the shop does not contradict itself",
    );

    let mut by_buyer: Vec<BTreeMap<u64, &Value>> = Vec::new();
    for orders in &observed.orders {
        let orders = orders.iter();
        by_buyer.push(
            orders
                .filter_map(|order| Some((order["id"].as_u64()?, order)))
                .collect(),
        );
    }
    let mut ids = BTreeSet::new();
    let mut strays_allowed = 0;
    for (number, told) in &ledger.told {
        let order = told
            .id
            .and_then(|id| by_buyer.get(buyer_of(*number))?.get(&id));
        if told.outcome == Outcome::SoldOut {
            // There is no order, unless an attempt whose answer was lost has come to one after all.
            strays_allowed += usize::from(ledger.unsure.contains(number));
            continue;
        }
        let verdict = as_told(told, order.copied());
        kept.check(verdict.is_none(), || {
            format!("order {number}: {}", verdict.unwrap_or_default())
        });
        if let Some(id) = told.id {
            keys.check(ids.insert(id), || format!("two keys have the order {id}"));
        }
    }
    for id in by_buyer.iter().flat_map(BTreeMap::keys) {
        let is_told = ids.contains(id);
        keys.check(is_told || strays_allowed > 0, || {
            format!("nobody was told of the order {id}")
        });
        strays_allowed = strays_allowed.saturating_sub(usize::from(!is_told));
    }
    let wrong = observed.wrong_stock(products, ledger);
    stock.checked = products.len() as u64;
    stock.violations = wrong.len() as u64;
    stock.examples = wrong.into_iter().take(EXAMPLES_MAX).collect();

    answers.checked = ledger.answers.values().sum();
    answers.violations = ledger.contradictions + ledger.unanswered.len() as u64;
    answers.examples = ledger.examples.iter().take(EXAMPLES_MAX).cloned().collect();
    if let Some(number) = ledger.unanswered.first() {
        answers
            .examples
            .push(format!("order {number} was never answered"));
    }
    vec![kept, keys, stock, answers]
}

/// What is wrong with an order, if it is not what its buyer was told.
fn as_told(told: &Told, order: Option<&Value>) -> Option<String> {
    let Some(order) = order else {
        return Some(format!("its buyer does not see it; he was told {told:?}"));
    };
    let status = order["status"].as_str().unwrap_or_default();
    let fits = match (&told.outcome, told.is_cancelled) {
        (_, true) => status == "cancelled",
        (Outcome::Confirmed, false) => status == "confirmed",
        (Outcome::Accepted, false) => matches!(status, "confirmed" | "rejected" | "expired"),
        // Nobody looks for an order that there is not.
        (Outcome::SoldOut, false) => true,
        (Outcome::Refused(code), false) => {
            status
                == if code == "expired" {
                    "expired"
                } else {
                    "rejected"
                }
        }
    };
    (!fits).then(|| format!("it is {status:?}; its buyer was told {told:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LAMP: Product = Product { id: 4, stock: 10 };

    fn told(id: u64, outcome: Outcome) -> Told {
        Told {
            id: Some(id),
            outcome,
            is_cancelled: false,
        }
    }

    /// Three orders of one buyer: two pieces sold, one refused, one cancelled.
    fn books() -> (Ledger, Observed) {
        let mut ledger = Ledger::default();
        ledger.told.insert(0, told(100, Outcome::Confirmed));
        let refused = Outcome::Refused("out_of_stock".to_owned());
        ledger.told.insert(1, told(101, refused));
        ledger.told.insert(2, told(102, Outcome::Confirmed));
        ledger.cancelled(2);
        let order = |id: u64, status: &str| json!({"id": id, "status": status, "lines": [{"product_id": 4, "quantity": 2}]});
        let orders = vec![
            order(100, "confirmed"),
            order(101, "rejected"),
            order(102, "cancelled"),
        ];
        let observed = Observed {
            orders: vec![orders],
            available: [(4, 8)].into(),
        };
        (ledger, observed)
    }

    fn violated(ledger: &Ledger, observed: &Observed) -> Vec<&'static str> {
        let findings = check(ledger, observed, &[LAMP], |_| 0).into_iter();
        findings
            .filter(|finding| finding.violations > 0)
            .map(|finding| finding.id)
            .collect()
    }

    #[test]
    fn books_that_agree_pass() {
        let (mut ledger, mut observed) = books();
        assert_eq!(violated(&ledger, &observed), [""; 0]);
        ledger.restocked(4, 3);
        assert_eq!(violated(&ledger, &observed), ["C3"]);
        observed.available.insert(4, 11);
        assert_eq!(violated(&ledger, &observed), [""; 0]);
    }

    #[test]
    fn an_order_that_is_gone_or_not_what_was_told_is_found() {
        let (ledger, mut observed) = books();
        observed.orders[0][1]["status"] = json!("confirmed");
        assert_eq!(violated(&ledger, &observed), ["C1", "C3"]);
        let (ledger, mut observed) = books();
        observed.orders[0].remove(1);
        assert_eq!(violated(&ledger, &observed), ["C1"]);
        let (mut ledger, observed) = books();
        ledger.told.insert(0, told(100, Outcome::Accepted));
        assert_eq!(violated(&ledger, &observed), [""; 0]);
        ledger.told.insert(1, told(101, Outcome::Confirmed));
        assert_eq!(violated(&ledger, &observed), ["C1"]);
    }

    #[test]
    fn an_order_too_many_is_found() {
        let (mut ledger, observed) = books();
        ledger.told.remove(&1);
        assert_eq!(violated(&ledger, &observed), ["C2"]);
        let (mut ledger, observed) = books();
        ledger.told.insert(3, told(100, Outcome::Confirmed));
        assert_eq!(violated(&ledger, &observed), ["C2"]);
    }

    #[test]
    fn a_piece_sold_twice_and_an_order_without_an_answer_are_found() {
        let (ledger, mut observed) = books();
        observed.available.insert(4, 9);
        assert_eq!(violated(&ledger, &observed), ["C3"]);
        observed.available.clear();
        assert_eq!(violated(&ledger, &observed), ["C3"]);
        let (mut ledger, observed) = books();
        ledger.unanswered.push(3);
        assert_eq!(violated(&ledger, &observed), ["C4"]);
        let (mut ledger, observed) = books();
        ledger.contradicted("first so, then so".to_owned());
        assert_eq!(violated(&ledger, &observed), ["C4"]);
    }
}

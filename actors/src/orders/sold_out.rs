//! Products that are sold out, as far as this process has been told: orders for them are refused before they are orders.
//!
//! In a drop nearly everybody comes too late. What an order that was refused has said of a product, that nothing is
//! left, is remembered for [`REMEMBERED_FOR`]; then one order is let through to ask again, while the others are still
//! refused. So a flood of buyers costs the journal two orders a second and product, and pieces that are put in, or given
//! back, are sold within a second. Nothing rests on it: who is let through by mistake is refused by the product itself.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    ProductId,
    orders::{LineOutcome, Order, RequestedLine},
};

/// How long a product counts as sold out before it is asked again.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_millis(500);
/// Products that are remembered at most; of those beyond, every order asks.
const PRODUCTS_MAX: usize = 100_000;

/// A product of which nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoldOut {
    /// Which.
    pub product_id: ProductId,
    /// Pieces that all lines of the order asked for together.
    pub quantity: u64,
}

/// What is sold out, and until when that counts, as a time since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    empty: RwLock<HashMap<ProductId, Duration>>,
    /// Whether any is, so that nothing has to be locked while none is.
    are_any: AtomicBool,
}

impl Shelves {
    /// The products of an order that are sold out, each once. None, if the order is the one that asks again.
    pub(super) fn sold_out(&self, lines: &[RequestedLine], now: Duration) -> Vec<SoldOut> {
        if !self.are_any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut found: Vec<SoldOut> = Vec::new();
        let mut is_due = false;
        {
            let empty = self.empty.read().unwrap_or_else(PoisonError::into_inner);
            for line in lines {
                let product_id = line.product_id;
                let Some(until) = empty.get(&product_id) else {
                    continue;
                };
                is_due |= *until <= now;
                let known = found.iter_mut().find(|it| it.product_id == product_id);
                match known {
                    Some(known) => known.quantity += u64::from(line.quantity.get()),
                    None => found.push(SoldOut {
                        product_id,
                        quantity: line.quantity.get().into(),
                    }),
                }
            }
        }
        if is_due && self.asks_again(&found, now) {
            return Vec::new();
        }
        found
    }

    /// Whether this is the first order since these products were to be asked again; for the others they stay sold out.
    fn asks_again(&self, products: &[SoldOut], now: Duration) -> bool {
        let mut empty = self.empty.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_first = false;
        for product in products {
            if let Some(until) = empty.get_mut(&product.product_id)
                && *until <= now
            {
                *until = now + REMEMBERED_FOR;
                is_first = true;
            }
        }
        is_first
    }

    /// Takes up what the products of an order that was just settled have said.
    pub(super) fn learn(&self, order: &Order, now: Duration) {
        for line in &order.lines {
            match line.outcome {
                LineOutcome::Refused { available: 0 } => self.is_empty(line.product_id, now),
                LineOutcome::Refused { .. } | LineOutcome::Reserved { .. } => {
                    self.has_some(line.product_id);
                }
                LineOutcome::Pending | LineOutcome::TooLate => {}
            }
        }
    }

    fn is_empty(&self, product_id: ProductId, now: Duration) {
        let mut empty = self.empty.write().unwrap_or_else(PoisonError::into_inner);
        if empty.len() >= PRODUCTS_MAX {
            empty.retain(|_, until| *until > now);
        }
        if empty.len() < PRODUCTS_MAX {
            empty.insert(product_id, now + REMEMBERED_FOR);
            self.are_any.store(true, Ordering::Relaxed);
        }
    }

    /// There are pieces of this product.
    pub(crate) fn has_some(&self, product_id: ProductId) {
        if self.are_any.load(Ordering::Relaxed) {
            let mut empty = self.empty.write().unwrap_or_else(PoisonError::into_inner);
            empty.remove(&product_id);
            self.are_any.store(!empty.is_empty(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Quantity;

    use super::*;

    fn product(id: u64) -> ProductId {
        ProductId::new(id).unwrap()
    }

    fn lines(of: &[(u64, u64)]) -> Vec<RequestedLine> {
        let lines = of.iter().map(|&(id, pieces)| RequestedLine {
            product_id: product(id),
            quantity: Quantity::new(pieces).unwrap(),
        });
        lines.collect()
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_sold_out_is_refused_until_one_asks_again() {
        let shelves = Shelves::default();
        assert_eq!(shelves.sold_out(&lines(&[(1, 1)]), MOMENT), []);
        shelves.is_empty(product(1), MOMENT);
        let both = lines(&[(1, 2), (2, 1), (1, 3)]);
        let refused = [SoldOut {
            product_id: product(1),
            quantity: 5,
        }];
        assert_eq!(shelves.sold_out(&both, MOMENT), refused);
        assert_eq!(shelves.sold_out(&lines(&[(2, 1)]), MOMENT), []);
        let later = MOMENT + REMEMBERED_FOR;
        assert_eq!(shelves.sold_out(&both, later - MOMENT), refused);
        assert_eq!(shelves.sold_out(&both, later), [], "one asks again");
        assert_eq!(shelves.sold_out(&both, later), refused, "the others do not");
        // Nobody has answered: the next one asks in its turn.
        assert_eq!(shelves.sold_out(&both, later + REMEMBERED_FOR), []);
    }

    #[test]
    fn what_is_there_again_is_sold_at_once() {
        let shelves = Shelves::default();
        shelves.is_empty(product(1), MOMENT);
        shelves.is_empty(product(2), MOMENT);
        shelves.has_some(product(1));
        assert_eq!(shelves.sold_out(&lines(&[(1, 1)]), MOMENT), []);
        assert_eq!(shelves.sold_out(&lines(&[(2, 1)]), MOMENT).len(), 1);
        shelves.has_some(product(2));
        assert!(!shelves.are_any.load(Ordering::Relaxed));
    }
}

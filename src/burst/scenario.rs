//! What a crowd asks for.

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// The most pieces of an order of the mixed scenario.
const MIXED_PIECES_MAX: u32 = 3;
/// Shares of the mixed scenario, in per cent of the requests.
const LISTS: u32 = 35;
const PRODUCTS_READ: u32 = 25;
const ORDERS: u32 = 25;
const CANCELLATIONS: u32 = 5;
const HISTORIES: u32 = 5;

/// Who wants what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// Orders of one piece of one of many products, all of them alike.
    Uniform,
    /// Orders of one piece of the same product.
    Hot,
    /// A launch: one product with a small stock, and a hundred times as many who try to buy a piece.
    Drop,
    /// A day in the shop: of a hundred requests 35 list products, 25 read one, 25 order one to three pieces, 5 cancel an
    /// order, 5 list a buyer's orders, 5 read one.
    Mixed,
}

impl Scenario {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Hot => "hot",
            Self::Drop => "drop",
            Self::Mixed => "mixed",
        }
    }

    /// Whether there is one product only.
    pub(super) const fn has_one_product(self) -> bool {
        matches!(self, Self::Hot | Self::Drop)
    }
}

/// What is asked for at one turn. The rest is drawn for every turn, and left aside where it is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) act: Act,
    pub(super) wanted: Wanted,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Place an order.
    Order,
    /// Cancel a confirmed one.
    Cancel,
    /// List products.
    List,
    /// Read a product.
    Product,
    /// List one's orders.
    History,
    /// Read one of them.
    Read,
}

/// An order, by the numbers of its buyer and its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wanted {
    pub(super) buyer: u32,
    pub(super) product: u32,
    pub(super) pieces: u32,
}

/// Draws turns from a seed; the one with a number is the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) buyers: u32,
    pub(super) products: u32,
}

impl Draw {
    /// What is asked for at the turn with this number.
    pub(super) fn turn(&self, number: u64) -> Turn {
        let mut random = SmallRng::seed_from_u64(self.seed ^ number.rotate_left(32));
        let is_mixed = self.scenario == Scenario::Mixed;
        let act = if is_mixed {
            mixed(random.random_range(0..100))
        } else {
            Act::Order
        };
        let wanted = Wanted {
            buyer: random.random_range(0..self.buyers),
            product: random.random_range(0..self.products),
            pieces: match is_mixed {
                true => random.random_range(1..=MIXED_PIECES_MAX),
                false => 1,
            },
        };
        Turn { act, wanted }
    }
}

fn mixed(mut drawn: u32) -> Act {
    let shares = [
        (LISTS, Act::List),
        (PRODUCTS_READ, Act::Product),
        (ORDERS, Act::Order),
        (CANCELLATIONS, Act::Cancel),
        (HISTORIES, Act::History),
    ];
    for (share, act) in shares {
        if drawn < share {
            return act;
        }
        drawn -= share;
    }
    Act::Read
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn draw(scenario: Scenario, seed: u64) -> Vec<Turn> {
        let products = if scenario.has_one_product() { 1 } else { 10 };
        let draw = Draw {
            scenario,
            seed,
            buyers: 4,
            products,
        };
        (0..2_000).map(|number| draw.turn(number)).collect()
    }

    #[test]
    fn turns_are_the_same_for_the_same_seed() {
        assert_eq!(draw(Scenario::Mixed, 1), draw(Scenario::Mixed, 1));
        assert_ne!(draw(Scenario::Mixed, 1), draw(Scenario::Mixed, 2));
    }

    #[test]
    fn only_the_mixed_scenario_does_anything_but_order_one_piece() {
        for scenario in [Scenario::Uniform, Scenario::Hot, Scenario::Drop] {
            let turns = draw(scenario, 3);
            assert!(turns.iter().all(|turn| turn.act == Act::Order));
            assert!(turns.iter().all(|turn| turn.wanted.pieces == 1));
            let has_one = turns.iter().all(|turn| turn.wanted.product == 0);
            assert_eq!(has_one, scenario.has_one_product());
        }
        let mut acts = BTreeMap::new();
        for turn in draw(Scenario::Mixed, 3) {
            *acts.entry(format!("{:?}", turn.act)).or_insert(0) += 1;
        }
        assert_eq!(acts.len(), 6, "{acts:?}");
        assert!((600..800).contains(&acts["List"]), "{acts:?}");
    }

    #[test]
    fn every_buyer_and_product_has_its_turn() {
        let turns = draw(Scenario::Uniform, 5);
        for number in 0..10 {
            assert!(turns.iter().any(|turn| turn.wanted.product == number));
            assert_eq!(
                number < 4,
                turns.iter().any(|turn| turn.wanted.buyer == number)
            );
        }
    }
}

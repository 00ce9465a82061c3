//! How many pieces one order line asks for.

use serde::{Deserialize, Serialize};

/// Pieces of one order line: 1 to [`Quantity::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(u32);

/// A quantity outside of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is between 1 and {} pieces", Quantity::MAX)]
pub struct InvalidQuantity;

impl Quantity {
    /// The most pieces one line can ask for.
    pub const MAX: u32 = 10_000;

    /// A quantity of so many pieces.
    ///
    /// # Errors
    /// [`InvalidQuantity`] for zero and for more than [`Quantity::MAX`].
    pub fn new(pieces: u64) -> Result<Self, InvalidQuantity> {
        match u32::try_from(pieces) {
            Ok(pieces @ 1..=Self::MAX) => Ok(Self(pieces)),
            _ => Err(InvalidQuantity),
        }
    }

    /// The pieces.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_quantity_is_between_one_and_ten_thousand() {
        assert!(Quantity::new(0).is_err());
        assert!(Quantity::new(10_001).is_err());
        assert_eq!(Quantity::new(10_000).unwrap().get(), 10_000);
    }
}

//! What is remembered of products and users while their journals are read: all that can be told apart, without texts.
//!
//! There is an aggregate of these for every product and every user, so texts are kept as sums of 64 bits. Two texts
//! with one sum count as equal, which by accident happens once in 10^19 pairs.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::{
    Aggregate, Money, ProductId, Timestamp, UserId,
    products::{Product, Stock},
    users::{Role, Session, User},
};

/// An aggregate of which less than all is remembered.
pub(super) trait Compact: Aggregate {
    /// What is remembered.
    type Kept: std::fmt::Debug;

    /// What is remembered of this state.
    fn keep(&self) -> Self::Kept;

    /// The state that is remembered, with sums in the place of texts. What comes of it by an event is remembered as what
    /// would have come of the state itself.
    fn recall(kept: &Self::Kept) -> Self;
}

/// A product without its texts.
#[derive(Debug)]
pub(super) struct KeptProduct {
    id: ProductId,
    texts: [u64; 3],
    price: Money,
    stock: Stock,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A user without texts.
#[derive(Debug)]
pub(super) struct KeptUser {
    id: UserId,
    username: u64,
    email: Option<u64>,
    role: Role,
    sessions: Box<[Session]>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Compact for Product {
    type Kept = KeptProduct;

    fn keep(&self) -> KeptProduct {
        KeptProduct {
            id: self.id,
            texts: [
                sum(self.sku.as_str()),
                sum(&self.name),
                sum(&self.description),
            ],
            price: self.price,
            stock: self.stock,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn recall(kept: &KeptProduct) -> Self {
        let [sku, name, description] = kept.texts.map(text);
        Self {
            id: kept.id,
            sku: sku.parse().expect("sixteen digits are a sku"),
            name: name.into(),
            description: description.into(),
            price: kept.price,
            stock: kept.stock,
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        }
    }
}

impl Compact for User {
    type Kept = KeptUser;

    fn keep(&self) -> KeptUser {
        KeptUser {
            id: self.id,
            username: sum(self.username.as_str()),
            email: self.email.as_deref().map(sum),
            role: self.role,
            sessions: self.sessions.clone().into_boxed_slice(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn recall(kept: &KeptUser) -> Self {
        Self {
            id: kept.id,
            username: text(kept.username)
                .parse()
                .expect("sixteen digits are a username"),
            email: kept.email.map(|sum| Arc::from(text(sum))),
            role: kept.role,
            sessions: kept.sessions.to_vec(),
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        }
    }
}

/// Digits of a sum.
const DIGITS: usize = 16;

/// The sum of a text; that of a text that stands for a sum is that sum.
fn sum(text: &str) -> u64 {
    let is_sum = text.len() == DIGITS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match u64::from_str_radix(text, 16) {
        Ok(sum) if is_sum => sum,
        _ => hash(text),
    }
}

fn text(sum: u64) -> String {
    format!("{sum:016x}")
}

/// A hash that is the same in every run.
pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A sum of everything about a value that its debugging text shows.
pub(super) fn digest(value: &impl std::fmt::Debug) -> u64 {
    struct Text(DefaultHasher);
    impl std::fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut text = Text(DefaultHasher::new());
    // Writing into a hasher does not fail.
    let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{value:?}"));
    text.0.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_stands_for_a_sum_has_that_sum() {
        for name in ["", "Storm lantern", "0123456789abcdef", "0123456789ABCDEF"] {
            assert_eq!(sum(&text(sum(name))), sum(name), "{name}");
        }
        assert_ne!(sum("Storm lantern"), sum("storm lantern"));
        assert_ne!(digest(&("a", 1)), digest(&("a", 2)));
    }
}

//! What chaos furnishes a shop with: buyers, products, and the orders that the seed says.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::api::{Api, Request};
use crate::admin::random_password;

/// Buyers; few, because each costs two Argon2 hashes.
const BUYERS: usize = 6;
/// Products of which there is enough.
const PLENTIFUL: usize = 8;
/// The longest that furnishing may take for one thing.
const FURNISHING_TIME_MAX: Duration = Duration::from_secs(60);

/// A shop with everything that orders need.
pub(super) struct Market {
    pub(super) admin: Api,
    pub(super) buyers: Vec<Api>,
    pub(super) products: Vec<Product>,
    /// What tells its idempotency keys and names from those of another run.
    pub(super) run: String,
    seed: u64,
}

/// A product and what was put into its stock at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) stock: u64,
}

/// An order that is going to be placed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) number: usize,
    pub(super) buyer: usize,
    /// Products and pieces.
    pub(super) lines: Vec<(u64, u64)>,
    pub(super) prefer: &'static str,
    /// It is called off once it is confirmed.
    pub(super) is_cancelled: bool,
    /// It is asked for once more after it was answered.
    pub(super) is_repeated: bool,
}

impl Market {
    /// Makes users and products.
    pub(super) async fn furnish(
        visitor: &Api,
        admin: Api,
        seed: u64,
        orders: usize,
    ) -> Result<Self> {
        let run = format!("{:08x}", rand::random::<u32>());
        let orders = orders as u64;
        // One that a tenth of what is asked for sells out, one that sells out late, and enough of the others.
        let scarce = [(orders / 12).max(1), (orders / 5).max(2)];
        let stocks = scarce.into_iter().chain([orders * 4; PLENTIFUL]);
        let mut products = Vec::new();
        for (number, stock) in stocks.enumerate() {
            let id = product(&admin, &format!("CHAOS-{run}-{number}"), stock).await?;
            products.push(Product { id, stock });
        }
        let mut buyers = Vec::new();
        for number in 0..BUYERS {
            buyers.push(buyer(visitor, &format!("chaos-{run}-{number}")).await?);
        }
        Ok(Self {
            admin,
            buyers,
            products,
            run,
            seed,
        })
    }

    /// The order with this number, the same for the same seed.
    pub(super) fn wanted(&self, number: usize) -> Wanted {
        let mut rng = StdRng::seed_from_u64(self.seed ^ (number as u64).rotate_left(32));
        let ids: Vec<u64> = self.products.iter().map(|product| product.id).collect();
        wanted(&mut rng, number, &ids)
    }

    /// The product of which there is the least.
    pub(super) fn hot(&self) -> Product {
        self.products[0]
    }

    /// The key of the order with this number.
    pub(super) fn key(&self, number: usize) -> String {
        format!("chaos-{}-{number}", self.run)
    }
}

fn wanted(rng: &mut impl Rng, number: usize, products: &[u64]) -> Wanted {
    let pick = |rng: &mut dyn Rng| match rng.random_range(0..100) {
        0..25 => products[0],
        25..40 => products[1],
        _ => products[rng.random_range(2..products.len())],
    };
    let count = if rng.random_range(0..4) == 0 { 2 } else { 1 };
    let lines = (0..count).map(|_| (pick(rng), rng.random_range(1..=3)));
    Wanted {
        lines: lines.collect(),
        buyer: rng.random_range(0..BUYERS),
        number,
        prefer: match rng.random_range(0..4) {
            0 => "respond-async",
            1 => "wait=1",
            _ => "wait=5",
        },
        is_cancelled: rng.random_range(0..12) == 0,
        is_repeated: rng.random_range(0..8) == 0,
    }
}

async fn product(admin: &Api, sku: &str, stock: u64) -> Result<u64> {
    let product = json!({
        "sku": sku,
        "name": sku,
        "price": {"amount": 1_250, "currency": "EUR"},
        "stock": stock,
    });
    made(admin, "/v1/products", &product).await
}

async fn buyer(visitor: &Api, username: &str) -> Result<Api> {
    let password = random_password();
    let user = json!({
        "username": username,
        "email": format!("{username}@example.com"),
        "password": password,
    });
    made(visitor, "/v1/auth/register", &user).await?;
    visitor
        .logged_in(username, &password, FURNISHING_TIME_MAX)
        .await
}

async fn made(by: &Api, path: &str, what: &Value) -> Result<u64> {
    let answer = by
        .insist(&Request::post(path, what), FURNISHING_TIME_MAX)
        .await?;
    match answer.body["id"].as_u64() {
        Some(id) if answer.status == 201 => Ok(id),
        _ => bail!("POST {path}: {}", answer.told()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_same_for_the_same_seed_and_of_every_sort() {
        let products: Vec<u64> = (1..=10).collect();
        let of = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..200)
                .map(|number| wanted(&mut rng, number, &products))
                .collect::<Vec<_>>()
        };
        let orders = of(4);
        assert_eq!(orders, of(4));
        assert_ne!(orders, of(5));
        let some = |is: fn(&Wanted) -> bool| orders.iter().any(is) && !orders.iter().all(is);
        assert!(some(|order| order.lines.len() == 2));
        assert!(some(|order| order.is_cancelled));
        assert!(some(|order| order.is_repeated));
        assert!(some(|order| order.lines[0].0 == 1));
        assert!(some(|order| order.prefer == "respond-async"));
    }
}

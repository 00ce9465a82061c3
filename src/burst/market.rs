//! What a run furnishes the shop with: buyers and products of its own.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{plan::Plan, progress::Progress};
use crate::{
    admin::random_password,
    api::{Api, Request},
};

/// Requests in flight while buyers and products are made: enough to keep every processor of a shop busy hashing.
const FURNISHED_AT_ONCE: usize = 16;
/// The longest that it may take to make one of them.
const FURNISHING_TIME_MAX: Duration = Duration::from_secs(60);

/// A shop with everything that orders need.
pub(super) struct Market {
    pub(super) admin: Api,
    pub(super) buyers: Vec<Api>,
    pub(super) products: Vec<u64>,
    /// What tells its names and keys from those of another run.
    pub(super) run: String,
}

impl Market {
    /// Makes buyers and products.
    pub(super) async fn furnish(
        visitor: &Api,
        admin: Api,
        plan: &Plan,
        progress: &Progress,
    ) -> Result<Self> {
        let run = format!("{:08x}", rand::random::<u32>());
        let products = stream::iter(0..plan.products)
            .map(|number| product(&admin, format!("BURST-{run}-{number}"), plan.stock))
            .buffered(FURNISHED_AT_ONCE)
            .inspect(|_| progress.furnished());
        let products = products.try_collect().await?;
        let buyers = stream::iter(0..plan.users)
            .map(|number| buyer(visitor, format!("burst-{run}-{number}")))
            .buffered(FURNISHED_AT_ONCE)
            .inspect(|_| progress.furnished());
        let buyers = buyers.try_collect().await?;
        Ok(Self {
            admin,
            buyers,
            products,
            run,
        })
    }

    /// Renews tokens before they expire.
    pub(super) async fn stay_logged_in(&self) {
        self.admin.stay_logged_in().await;
        stream::iter(&self.buyers)
            .for_each_concurrent(FURNISHED_AT_ONCE, Api::stay_logged_in)
            .await;
    }
}

async fn product(admin: &Api, sku: String, stock: u64) -> Result<u64> {
    let product = json!({
        "sku": sku,
        "name": sku,
        "price": {"amount": 1_250, "currency": "EUR"},
        "stock": stock,
    });
    made(admin, "/v1/products", &product).await
}

async fn buyer(visitor: &Api, username: String) -> Result<Api> {
    let password = random_password();
    let user = json!({
        "username": username,
        "email": format!("{username}@example.com"),
        "password": password,
    });
    made(visitor, "/v1/auth/register", &user).await?;
    visitor
        .logged_in(&username, &password, FURNISHING_TIME_MAX)
        .await
}

async fn made(by: &Api, path: &str, what: &Value) -> Result<u64> {
    let request = Request::post(path, what);
    let answer = by.insist(&request, FURNISHING_TIME_MAX).await?;
    match answer.body["id"].as_u64() {
        Some(id) if answer.status == 201 => Ok(id),
        _ => bail!("POST {path}: {}", answer.told()),
    }
}

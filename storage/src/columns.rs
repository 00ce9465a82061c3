//! What the tables keep of a state beside the state itself, for indexes and filters.
//!
//! `of` is what belongs into the columns for a state; `audit` compares it with what a row holds.

use domain::{
    Timestamp, notifications::Notification, orders::Order, products::Product, users::User,
};

/// Columns of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderColumns {
    /// Its shard.
    pub shard: u16,
    /// Whose it is.
    pub user_id: u64,
    /// The name of its status.
    pub status: String,
    /// Its deadline while it is not settled.
    pub deadline: Option<Timestamp>,
}

impl OrderColumns {
    /// The columns for this state.
    #[must_use]
    pub fn of(order: &Order) -> Self {
        Self {
            shard: order.id.shard(),
            user_id: order.user_id.get(),
            status: order.status.as_str().to_owned(),
            deadline: (!order.status.is_settled()).then_some(order.deadline),
        }
    }
}

/// Columns of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductColumns {
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// SKU and name in lower case, a line break between them: what a search looks into.
    pub folded: String,
    /// Pieces that can be ordered.
    pub available: u64,
    /// Pieces that orders hold or have bought.
    pub allocated: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ProductColumns {
    /// The columns for this state.
    #[must_use]
    pub fn of(product: &Product) -> Self {
        Self {
            sku: product.sku.as_str().to_owned(),
            name: (*product.name).to_owned(),
            folded: format!("{}\n{}", product.sku, product.name).to_lowercase(),
            available: product.stock.available,
            allocated: product.stock.allocated,
            created_at: product.created_at,
        }
    }
}

/// Columns of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserColumns {
    /// The name in lower case.
    pub username_key: String,
    /// The name of its role.
    pub role: String,
}

impl UserColumns {
    /// The columns for this state.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self {
            username_key: user.username.key(),
            role: user.role.as_str().to_owned(),
        }
    }
}

/// Columns of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationColumns {
    /// The order it is about.
    pub order_id: u64,
    /// Whom it tells.
    pub user_id: u64,
    /// The name of its template.
    pub template: String,
}

impl NotificationColumns {
    /// The columns for this state.
    #[must_use]
    pub fn of(notification: &Notification) -> Self {
        Self {
            order_id: notification.order_id.get(),
            user_id: notification.user_id.get(),
            template: notification.template.as_str().to_owned(),
        }
    }
}

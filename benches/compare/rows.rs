//! How large the rows of an order are.
//!
//! These are the sizes of an order of one line of a product with a short name and no description, as the load benchmark
//! makes them. The bytes themselves do not matter to a database that does not compress them.

/// Payload of `order.created.v1`, in bytes.
pub(crate) const CREATED_BYTES: usize = 23;
/// Payload of `order.confirmed.v1`, in bytes.
pub(crate) const CONFIRMED_BYTES: usize = 55;
/// Payload of `stock.reserved.v1`, in bytes.
pub(crate) const RESERVED_BYTES: usize = 57;
/// Payload of `notification.recorded.v1`, in bytes.
pub(crate) const RECORDED_BYTES: usize = 141;
/// The state of a confirmed order, in bytes.
pub(crate) const ORDER_STATE_BYTES: usize = 83;
/// The state of a product, in bytes.
pub(crate) const PRODUCT_STATE_BYTES: usize = 56;
/// The state of a notification, in bytes.
pub(crate) const NOTIFICATION_STATE_BYTES: usize = 147;

/// Products that uniform load chooses from.
pub(crate) const PRODUCTS: usize = 1_000;
/// Users who order.
pub(crate) const USERS: usize = 64;
/// Pieces of each product: more than are ever ordered.
pub(crate) const STOCK: i64 = 1_000_000_000;
/// A time of a record, in milliseconds since 1970.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// So many bytes that do not repeat much.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..=u8::MAX)
        .map(|byte| byte.wrapping_mul(181))
        .cycle()
        .take(count)
        .collect()
}

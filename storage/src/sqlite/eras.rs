//! Eras: how the rows of a user are found without an index that grows old.
//!
//! An index by user alone takes each new row at a random place of all there are, so that every order dirties a page of
//! its own, and the more so the longer the history. Here the index begins with an era, a stretch of rows that were
//! written one after the other: new rows go into few pages, however long the history is. A user's rows are read by
//! going back era by era, each one look into the index, until there are enough of them.
//!
//! Within a shard ids grow from era to era: an order's era follows from the position of its shard when it was placed,
//! and the ids that a shard issues grow. All orders of a user are in one shard. A notification's era follows from its id.

use domain::{Domain, NotificationId, OrderId, Topology, UserId};

use super::{commit::Commit, views::List};
use crate::StorageError;

/// Positions of all order shards together in an era. Two or three of them are an order's, so that some 25,000 orders
/// share some 150 pages of the index.
const POSITIONS: u64 = 65_536;
/// Bits of a notification's id within an era.
const NOTIFICATION_BITS: u32 = 14;

/// The eras that new orders of a batch belong to.
pub(super) struct OrderEras(Vec<(u16, u64)>);

impl OrderEras {
    pub(super) fn of(commits: &[Commit], topology: &Topology) -> Self {
        let positions = POSITIONS / u64::from(topology.orders.max(1));
        let of_orders = commits
            .iter()
            .filter(|commit| commit.shard.domain == Domain::Orders)
            .map(|commit| (commit.shard.shard, commit.last_position / positions))
            .collect();
        Self(of_orders)
    }

    /// The era of an order that is placed in this batch.
    pub(super) fn of_new(&self, id: OrderId) -> u64 {
        let mut eras = self.0.iter();
        eras.find(|(shard, _)| *shard == id.shard())
            .map_or(0, |&(_, era)| era)
    }
}

/// The era of a notification.
pub(super) const fn of_notification(id: NotificationId) -> u64 {
    id.get() >> NOTIFICATION_BITS
}

/// A user's orders, newest first, those before this one.
pub(super) fn orders_of(
    user: UserId,
    before: Option<OrderId>,
    topology: &Topology,
) -> Result<List, StorageError> {
    let mut list = List::in_its_own_order(walk("orders", "o.shard = at.shard"));
    list.values()
        .add(topology.order_shard(user))?
        .number(user.get())?
        .add(before.map_or(i64::MAX, |id| id.get().cast_signed()))?;
    Ok(list)
}

/// A user's notifications, newest first, those before this one.
pub(super) fn notifications_of(user: UserId, before: Option<u64>) -> Result<List, StorageError> {
    let mut list = List::in_its_own_order(walk("notifications", "true"));
    list.values()
        .add(0)?
        .number(user.get())?
        .add(before.map_or(i64::MAX, u64::cast_signed))?;
    Ok(list)
}

/// Goes back from era to era. A step looks for the user's newest row below `bound` in an era, and if there is none the
/// next step looks into the era before. The rows of the walk come in the order of its steps.
fn walk(table: &str, is_in_shard: &str) -> String {
    format!(
        "WITH RECURSIVE \
         wanted (shard, user_id, bound) AS (VALUES (?, ?, ?)), \
         walk (shard, user_id, era, bound, hit) AS ( \
           SELECT shard, user_id, 1 + coalesce( \
             (SELECT o.era FROM {table} o WHERE o.id = at.bound AND {is_in_shard}), \
             (SELECT max(o.era) FROM {table} o WHERE {is_in_shard})), bound, NULL \
           FROM wanted AS at \
           UNION ALL \
           SELECT shard, user_id, era - (hit IS NULL), coalesce(hit, bound), ( \
             SELECT max(o.id) FROM {table} o WHERE {is_in_shard} \
             AND o.era = at.era - (at.hit IS NULL) \
             AND o.user_id = at.user_id AND o.id < coalesce(at.hit, at.bound)) \
           FROM walk AS at WHERE era - (hit IS NULL) >= 0) \
         SELECT id, state FROM walk CROSS JOIN {table} ON id = hit WHERE true"
    )
}

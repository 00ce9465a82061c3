//! What can be asked of notifications.

use std::sync::Arc;

use domain::{UserId, notifications::Notification};
use storage::{Page, Views};

use crate::{Unavailable, error::storage};

/// What customers were told.
#[derive(Clone)]
pub struct Notifications {
    pub(crate) views: Arc<dyn Views>,
}

impl Notifications {
    /// Notifications, newest first: a user's or all, with a smaller id than `before`.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(
        &self,
        user_id: Option<UserId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Notification>, Unavailable> {
        self.views
            .notifications(user_id, before, limit)
            .await
            .map_err(storage)
    }
}

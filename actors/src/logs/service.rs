//! What can be asked of the activity log.

use std::sync::Arc;

use storage::{ActivityEntry, ActivityLog, ActivityQuery, Page};

use crate::{Unavailable, error::storage};

/// What has happened.
#[derive(Clone)]
pub struct Logs {
    pub(crate) log: Arc<dyn ActivityLog>,
}

impl Logs {
    /// A list of entries.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn search(&self, query: &ActivityQuery) -> Result<Page<ActivityEntry>, Unavailable> {
        self.log.search(query).await.map_err(storage)
    }
}

//! The port to the activity log: what has happened, for people to search.

use async_trait::async_trait;
use domain::{OrderId, ShardRef, Timestamp};

use crate::{Page, StorageError};

/// How much attention an entry deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Business as usual.
    Info,
    /// Worth a look.
    Warn,
    /// Something is wrong.
    Error,
}

impl Level {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// An entry to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// The record it tells of; `None` for what a node says of itself.
    pub source: Option<(ShardRef, u64)>,
    /// When it happened.
    pub time: Timestamp,
    /// How much attention it deserves.
    pub level: Level,
    /// The domain, or `node`.
    pub service: &'static str,
    /// The event's type, such as `order.created.v1`.
    pub event_type: String,
    /// The order it is about, if it is about one.
    pub order_id: Option<OrderId>,
    /// One line for people.
    pub message: String,
}

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityEntry {
    /// Its number, growing with the order of arrival.
    pub id: u64,
    /// When it happened.
    pub time: Timestamp,
    /// How much attention it deserves.
    pub level: Level,
    /// The domain, or `node`.
    pub service: String,
    /// The event's type.
    pub event_type: String,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// One line for people.
    pub message: String,
}

/// Which entries to list, newest (largest id) first.
#[derive(Clone, Debug, Default)]
pub struct ActivityQuery {
    /// Only this level.
    pub level: Option<Level>,
    /// Only this service.
    pub service: Option<String>,
    /// Only this type of event.
    pub event_type: Option<String>,
    /// Only about this order.
    pub order_id: Option<OrderId>,
    /// Only what happened at this time or later.
    pub since: Option<Timestamp>,
    /// Only what happened before this time.
    pub until: Option<Timestamp>,
    /// Only messages that contain this text, whatever its case.
    pub text: Option<String>,
    /// Only entries with a smaller id than this.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// The activity log. Each source shard has a watermark, moved in the transaction of the entries.
#[async_trait]
pub trait ActivityLog: Send + Sync + 'static {
    /// The watermark of every source shard that has one.
    async fn watermarks(&self) -> Result<Vec<(ShardRef, u64)>, StorageError>;

    /// Writes entries and moves watermarks in one transaction. An entry whose source is there already is left out.
    async fn append(
        &self,
        entries: Vec<NewActivity>,
        watermarks: &[(ShardRef, u64)],
    ) -> Result<(), StorageError>;

    /// A list of entries.
    async fn search(&self, query: &ActivityQuery) -> Result<Page<ActivityEntry>, StorageError>;
}

/// The activity log of a process that has none: it neither keeps nor shows anything, and says so.
#[derive(Clone, Copy, Debug)]
pub struct NoActivityLog;

impl NoActivityLog {
    fn refusal() -> StorageError {
        StorageError::Unavailable("this process is not configured for the activity log".to_owned())
    }
}

#[async_trait]
impl ActivityLog for NoActivityLog {
    async fn watermarks(&self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        Err(Self::refusal())
    }

    async fn append(
        &self,
        _entries: Vec<NewActivity>,
        _watermarks: &[(ShardRef, u64)],
    ) -> Result<(), StorageError> {
        Err(Self::refusal())
    }

    async fn search(&self, _query: &ActivityQuery) -> Result<Page<ActivityEntry>, StorageError> {
        Err(Self::refusal())
    }
}

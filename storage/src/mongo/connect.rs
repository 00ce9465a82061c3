//! From a URL to the collections. Nothing here talks to a server.

use mongodb::{
    Client, Collection, Database,
    bson::Document,
    options::{ClientOptions, WriteConcern},
};

use super::{
    CONNECT_TIME_MAX, MongoOptions, SERVER_SELECTION_TIME_MAX,
    documents::{EntryDocument, WatermarkDocument},
};
use crate::StorageError;

/// The name by which the server's own logs know the connections.
const APP_NAME: &str = "stampede";
pub(super) const ACTIVITY: &str = "activity";
pub(super) const WATERMARK: &str = "watermark";
const COUNTER: &str = "counter";

/// The collections of an activity log.
#[derive(Clone, Debug)]
pub(super) struct Collections {
    pub(super) database: Database,
    pub(super) entries: Collection<EntryDocument>,
    pub(super) watermarks: Collection<WatermarkDocument>,
    pub(super) counter: Collection<Document>,
}

impl Collections {
    /// The collections at that URL; connections are made when they are first needed.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] for what is not a URL of a MongoDB.
    pub(super) async fn at(url: &str, options: &MongoOptions) -> Result<Self, StorageError> {
        let mut client = ClientOptions::parse(url).await.map_err(unfit)?;
        client.app_name = Some(APP_NAME.to_owned());
        client.connect_timeout = Some(CONNECT_TIME_MAX);
        client.server_selection_timeout = Some(SERVER_SELECTION_TIME_MAX);
        client.write_concern = Some(WriteConcern::majority());
        let client = Client::with_options(client).map_err(unfit)?;
        let database = client.database(&options.database);
        Ok(Self {
            entries: database.collection(ACTIVITY),
            watermarks: database.collection(WATERMARK),
            counter: database.collection(COUNTER),
            database,
        })
    }
}

/// A URL that cannot be used. The URL itself may hold a password and is not repeated.
fn unfit(error: mongodb::error::Error) -> StorageError {
    StorageError::Mismatch(format!("the url of mongodb cannot be used: {}", error.kind))
}

//! `stampede replay order ID`: the history of one order, event by event, and its state at any point.
//!
//! The state is what the events give, and not the row that is stored; `audit` compares the two.

mod json;
#[cfg(test)]
mod tests;
mod text;
mod times;

pub(crate) use times::rfc_3339;

use std::{fmt, process::ExitCode};

use domain::{
    Aggregate, Domain, Event, OrderId, Timestamp,
    orders::{Order, OrderEvent},
};
use storage::{
    Snapshot, StorageError, StoredRecord, postgres::PostgresSnapshot, sqlite::SqliteSnapshot,
};

use crate::{
    cluster::stores::postgres_options,
    config::Role,
    output::{complain, say},
    place::{Place, PlaceArgs},
};

/// The exit code for what was asked for and is not there.
const EXIT_NOT_THERE: u8 = 1;
/// The exit code for a store that cannot be read.
const EXIT_UNREADABLE: u8 = 2;
/// Records of one reading.
const PAGE: usize = 500;

/// Show the history of one order, event by event, and its state at any point.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The order's id.
    #[arg(value_name = "ID", value_parser = order_id)]
    id: OrderId,
    #[command(flatten)]
    place: PlaceArgs,
    /// Show the state after the N-th event instead of the last.
    #[arg(long, value_name = "N")]
    at: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Replays the order, and prints it.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let place = match args.place.place(Role::Replay) {
        Ok(place) => place,
        Err(error) => {
            complain(format_args!("error: {error:#}"));
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    let replayed = match replay(&place, args.id, args.at).await {
        Ok(replayed) => replayed,
        Err(error) => {
            complain(format_args!("error: {error}"));
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    if args.json {
        say(json::of(&replayed));
    } else {
        say(text::of(&replayed));
    }
    Ok(ExitCode::SUCCESS)
}

/// An order's history and its state after one of its events.
#[derive(Debug)]
struct Replayed {
    id: OrderId,
    history: Vec<Entry>,
    /// After which event the state is.
    at: u64,
    state: Order,
}

/// One event.
#[derive(Debug)]
struct Entry {
    record: StoredRecord,
    event: OrderEvent,
}

/// Why an order cannot be replayed.
#[derive(Debug)]
enum ReplayError {
    Unknown(OrderId),
    /// Its first events are not in the journal, where what happened before this time was archived.
    Archived(OrderId, Timestamp),
    NoSuchEvent {
        id: OrderId,
        at: u64,
        last: u64,
    },
    /// A record is not what it should be.
    Unreadable {
        id: OrderId,
        position: String,
        why: String,
    },
    /// The place and what is wrong with it.
    Store(String, StorageError),
}

async fn replay(place: &Place, id: OrderId, at: Option<u64>) -> Result<Replayed, ReplayError> {
    let (records, archived_before) = history(place, id)
        .await
        .map_err(|error| ReplayError::Store(place.to_string(), error))?;
    let is_whole = records.first().is_some_and(|record| record.seq == 1);
    if let (false, Some(before)) = (is_whole, archived_before) {
        return Err(ReplayError::Archived(id, before));
    }
    let history = records
        .into_iter()
        .map(|record| read(id, record))
        .collect::<Result<Vec<Entry>, _>>()?;
    let last = history.last().map_or(0, |entry| entry.record.seq);
    if last == 0 {
        return Err(ReplayError::Unknown(id));
    }
    let at = at.unwrap_or(last);
    if !history.iter().any(|entry| entry.record.seq == at) {
        return Err(ReplayError::NoSuchEvent { id, at, last });
    }
    let state = history
        .iter()
        .take_while(|entry| entry.record.seq <= at)
        .fold(None, |state, entry| {
            Order::evolve(state, &entry.event, entry.record.time)
        });
    match state {
        Some(state) => Ok(Replayed {
            id,
            history,
            at,
            state,
        }),
        None => Err(ReplayError::Unreadable {
            id,
            position: "its history".to_owned(),
            why: "it does not begin with the order being placed".to_owned(),
        }),
    }
}

/// Every record of the order, and before which time records of orders were archived, if they were.
async fn history(
    place: &Place,
    id: OrderId,
) -> Result<(Vec<StoredRecord>, Option<Timestamp>), StorageError> {
    let mut store: Box<dyn Snapshot> = match place {
        Place::Directory(dir) => Box::new(SqliteSnapshot::open(dir).await?),
        Place::Cluster(config) => {
            let options = postgres_options(config);
            Box::new(PostgresSnapshot::of(options, &[Domain::Orders]).await?)
        }
    };
    let archived = store.archived_in(Domain::Orders).await?;
    let archived_before = archived.iter().map(|mark| mark.before).max();
    let mut history: Vec<StoredRecord> = Vec::new();
    loop {
        let after = history.last().map_or(0, |record| record.seq);
        let page = store.order_history(id, after, PAGE).await?;
        let is_last = page.len() < PAGE;
        history.extend(page);
        if is_last {
            return Ok((history, archived_before));
        }
    }
}

fn read(id: OrderId, record: StoredRecord) -> Result<Entry, ReplayError> {
    let why = match proto::decode(&record.event_type, &record.payload) {
        Ok(Event::Order(event)) => return Ok(Entry { record, event }),
        Ok(_) => format!("{} is no event of an order", record.event_type),
        Err(error) => error.to_string(),
    };
    let position = format!(
        "event {} ({} position {})",
        record.seq, record.shard, record.position
    );
    Err(ReplayError::Unreadable { id, position, why })
}

/// The id of an order, from what was typed.
fn order_id(text: &str) -> Result<OrderId, String> {
    let number = text.parse().ok();
    number
        .and_then(OrderId::new)
        .ok_or_else(|| "an order id is an integer above 0 and below 2^53".to_owned())
}

impl ReplayError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_)
            | Self::Archived(..)
            | Self::NoSuchEvent { .. }
            | Self::Unreadable { .. } => EXIT_NOT_THERE,
            Self::Store(..) => EXIT_UNREADABLE,
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "there is no order {id}"),
            Self::Archived(id, before) => write!(
                f,
                "the journal has no beginning of order {id}: what happened before {} was archived",
                rfc_3339(*before)
            ),
            Self::NoSuchEvent { id, at, last } => write!(
                f,
                "order {id} has no event {at}: --at takes a number from 1 to {last}"
            ),
            Self::Unreadable { id, position, why } => {
                write!(f, "order {id} cannot be replayed: {position}: {why}")
            }
            Self::Store(place, error) => write!(f, "{place} cannot be read: {error}"),
        }
    }
}

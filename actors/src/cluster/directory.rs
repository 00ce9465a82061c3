//! What the directory says, kept at hand: one task reads it twice a second, and whenever somebody asks.
//!
//! It is advice. It may be out of date by a moment, and while the database does not answer by longer: then the last
//! reading is kept and says how old it is. A shard's former owner refuses what reaches it, so nothing rests on this.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::ShardRef;
use storage::{Directory, DirectoryView};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep_until, timeout},
};

/// How often the directory is read when nobody asks.
const INTERVAL: Duration = Duration::from_millis(500);
/// The pause between two readings, however many ask.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one reading may take.
const READING_MAX: Duration = Duration::from_secs(2);
/// How long somebody waits for a fresh reading.
const REFRESH_WAIT_MAX: Duration = Duration::from_secs(1);
/// An owner that has not been heard of for so long is no way to its shard. Its age is that of the last reading: while
/// the directory cannot be read, nobody is given up.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(10);
/// Callers that can wait for one reading; others wait for whatever comes next.
const WAITING_MAX: usize = 4_096;

/// Who serves a shard, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node's name.
    pub node: String,
    /// Where it is reached by gRPC, `http://host:port`.
    pub address: String,
}

/// The directory as it was read last.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What it said.
    pub view: DirectoryView,
    read_at: Option<Instant>,
    owners: HashMap<ShardRef, Owner>,
}

impl Reading {
    fn new(view: DirectoryView, read_at: Instant) -> Self {
        let addresses: HashMap<&str, &str> = view
            .nodes
            .iter()
            .filter(|entry| entry.age <= HEARD_OF_WITHIN)
            .map(|entry| (entry.node.name.as_str(), entry.node.address.as_str()))
            .collect();
        let owners = view
            .owners
            .iter()
            .filter_map(|entry| {
                let node = entry.owner.as_deref()?;
                let owner = Owner {
                    node: node.to_owned(),
                    address: (*addresses.get(node)?).to_owned(),
                };
                Some((entry.shard, owner))
            })
            .collect();
        Self {
            view,
            read_at: Some(read_at),
            owners,
        }
    }

    /// How long ago it was read; `None` if it has not been read yet.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.read_at.map(|read_at| read_at.elapsed())
    }

    /// The nodes that have been heard of lately.
    pub fn nodes_alive(&self) -> impl Iterator<Item = &storage::NodeRecord> {
        self.view
            .nodes
            .iter()
            .filter(|entry| entry.age <= HEARD_OF_WITHIN)
            .map(|entry| &entry.node)
    }
}

/// The directory, at hand. Clones share one task, which ends with the last of them.
#[derive(Clone)]
pub struct DirectoryCache {
    reading: watch::Receiver<Arc<Reading>>,
    wanted: mpsc::Sender<oneshot::Sender<()>>,
}

impl DirectoryCache {
    /// Begins to read a directory. Must be called within a tokio runtime, on which the task then runs.
    #[must_use]
    pub fn start(directory: Arc<dyn Directory>) -> Self {
        let (publish, reading) = watch::channel(Arc::default());
        let (wanted, wishes) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(directory, publish, wishes));
        Self { reading, wanted }
    }

    /// Who serves a shard, if somebody does who has been heard of within ten seconds.
    #[must_use]
    pub fn owner(&self, shard: ShardRef) -> Option<Owner> {
        self.reading.borrow().owners.get(&shard).cloned()
    }

    /// The last reading.
    #[must_use]
    pub fn view(&self) -> Arc<Reading> {
        self.reading.borrow().clone()
    }

    /// Waits for a reading that begins after this call, at most a second. Many callers share one. What was read before
    /// is kept if the directory does not answer.
    pub async fn refresh(&self) {
        let (done, done_end) = oneshot::channel();
        if self.wanted.try_send(done).is_ok() {
            let _ = timeout(REFRESH_WAIT_MAX, done_end).await;
        } else {
            let mut reading = self.reading.clone();
            reading.mark_unchanged();
            let _ = timeout(REFRESH_WAIT_MAX, reading.changed()).await;
        }
    }
}

async fn run(
    directory: Arc<dyn Directory>,
    publish: watch::Sender<Arc<Reading>>,
    mut wishes: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut waiting = Vec::new();
    let mut is_failing = false;
    loop {
        let begun = tokio::time::Instant::now();
        match timeout(READING_MAX, directory.view()).await {
            Ok(Ok(view)) => {
                is_failing = false;
                publish.send_replace(Arc::new(Reading::new(view, begun.into_std())));
            }
            failure => {
                let error = match failure {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it does not answer".to_owned(),
                };
                if !is_failing {
                    tracing::warn!(%error, "the directory cannot be read; the last reading is kept");
                }
                is_failing = true;
            }
        }
        for wish in waiting.drain(..) {
            let _: Result<(), ()> = oneshot::Sender::send(wish, ());
        }
        sleep_until(begun + PAUSE).await;
        tokio::select! {
            () = sleep_until(begun + INTERVAL) => {}
            wish = wishes.recv() => match wish {
                Some(wish) => waiting.push(wish),
                None => return,
            },
        }
        while let Ok(wish) = wishes.try_recv() {
            waiting.push(wish);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::Domain;

    use super::*;
    use crate::cluster::tests::FakeDirectory;

    const SHARD: ShardRef = ShardRef {
        domain: Domain::Orders,
        shard: 3,
    };

    #[tokio::test]
    async fn an_owner_is_known_while_it_is_heard_of() {
        let directory = Arc::new(FakeDirectory::default());
        let cache = DirectoryCache::start(directory.clone());
        cache.refresh().await;
        assert_eq!(cache.owner(SHARD), None);

        directory.put_node("one", "http://one:1", Duration::from_secs(9));
        directory.put_owner(SHARD, Some("one"));
        cache.refresh().await;
        let owner = cache.owner(SHARD).unwrap();
        assert_eq!(
            (owner.node.as_str(), owner.address.as_str()),
            ("one", "http://one:1")
        );

        directory.put_node("one", "http://one:1", Duration::from_secs(11));
        cache.refresh().await;
        assert_eq!(cache.owner(SHARD), None, "it is silent");

        directory.put_node("one", "http://one:1", Duration::ZERO);
        directory.put_owner(SHARD, None);
        cache.refresh().await;
        assert_eq!(cache.owner(SHARD), None, "it gave the shard up");
    }

    #[tokio::test]
    async fn the_last_reading_outlives_the_database() {
        let directory = Arc::new(FakeDirectory::default());
        directory.put_node("one", "http://one:1", Duration::ZERO);
        directory.put_owner(SHARD, Some("one"));
        let cache = DirectoryCache::start(directory.clone());
        assert_eq!(cache.view().age(), None);
        cache.refresh().await;
        directory.fail(true);
        let before = directory.readings();
        cache.refresh().await;
        assert!(directory.readings() > before, "it was asked again");
        assert!(cache.owner(SHARD).is_some());
        assert!(cache.view().age().is_some());
        directory.fail(false);
        directory.put_owner(SHARD, None);
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(
            cache.owner(SHARD),
            None,
            "it is read again without being asked"
        );
    }

    #[tokio::test]
    async fn many_callers_share_a_reading() {
        let directory = Arc::new(FakeDirectory::default());
        let cache = DirectoryCache::start(directory.clone());
        cache.refresh().await;
        let before = directory.readings();
        futures::future::join_all((0..100).map(|_| cache.refresh())).await;
        assert!(directory.readings() - before <= 2);
    }
}

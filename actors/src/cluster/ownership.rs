//! Which shards this node claims, and when: what the feed's assignment suggests, and what the directory says of others.
//!
//! - An assignment makes a node *want* shards. Losing one stops nothing: a shard is served until somebody asks for it, or
//!   claims it.
//! - A wanted shard without a living owner is claimed. A living owner is asked to hand it over; if it does not in time,
//!   the shard is claimed all the same, and the epoch in its head keeps the former owner out.
//! - A shard that nobody wants and nobody serves is claimed by the first in line of the living nodes, an order in which
//!   each shard has another node first. So nothing stays unserved while the feed is away.
//!
//! `decide` says what to do, without a clock and without I/O; the rest carries it out.

mod decide;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use domain::{Domain, ShardRef, Topology};
use futures::future::{BoxFuture, join_all};
use storage::DirectoryView;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{DirectoryCache, HandOverRequest, Peers};
use crate::{runtime::writer::Order, system::status_of, transport::Assignment};
use decide::{Judge, ORPHAN_WAIT, Owner, Sight, Step, place_in_line, step};

pub use decide::Policy;

/// How often a node looks at the directory for shards to claim.
const LOOK: Duration = Duration::from_millis(200);
/// How long the shards of a leaving node are offered to others before it just ends.
const LEAVE_WAIT: Duration = Duration::from_secs(10);
/// How long a shard has to finish what it has begun when it is handed over.
const DRAIN_WAIT: Duration = Duration::from_secs(4);
/// How long a claim or a release waits for the writer, which may be waiting for its database.
const WRITER_WAIT: Duration = Duration::from_secs(10);

/// Brings a shard to rest, so that it can be given up.
pub trait Drain: Send + Sync {
    /// Makes a shard finish what it has begun and begin nothing new; resolves when it is at rest, at the latest after
    /// `limit`.
    fn drain(&self, shard: u16, limit: Duration) -> BoxFuture<'static, ()>;
}

/// What a node hosts of one domain.
pub struct Hosted {
    /// What the feed suggests.
    pub assignment: watch::Receiver<Assignment>,
    /// The writer of the domain.
    pub writer: mpsc::Sender<Order>,
    /// Its shards.
    pub shards: Arc<dyn Drain>,
}

/// What else the loop talks to.
pub struct Surroundings {
    /// This node's name.
    pub node: String,
    /// Shards per domain.
    pub topology: Topology,
    /// Who serves what.
    pub directory: DirectoryCache,
    /// The other nodes.
    pub peers: Peers,
    /// What others ask of this node.
    pub requests: mpsc::Receiver<HandOverRequest>,
    /// Shards that others have taken, with the last epoch in which they were served here.
    pub lost: mpsc::UnboundedReceiver<(ShardRef, u64)>,
    /// Told to leave: hand everything over, and say when that is done.
    pub leave: oneshot::Receiver<oneshot::Sender<()>>,
}

/// The loop.
pub struct Ownership {
    surroundings: Surroundings,
    policy: Policy,
    hosted: BTreeMap<Domain, Hosted>,
    /// The shards that this node serves, with the epoch in which it claimed them.
    mine: BTreeMap<ShardRef, u64>,
    /// The shards that it served until lately, with the last epoch in which it did: a directory that still names it as
    /// their owner, in that epoch, was read before it gave them up.
    given_up: HashMap<ShardRef, u64>,
    asked: HashMap<ShardRef, Instant>,
    orphans: HashMap<ShardRef, Instant>,
    /// Since when the directory could be read, without a gap: before `claim_after` has passed since then, a node that was
    /// not heard of may only not have been able to say so.
    readable_since: Instant,
    started: Instant,
    is_leaving: bool,
    events: mpsc::UnboundedSender<Event>,
    happened: mpsc::UnboundedReceiver<Event>,
}

/// What becomes of what the loop has begun.
enum Event {
    /// A claim has come to an end.
    Claimed(ShardRef, Result<u64, String>),
    /// A shard is at rest and has no owner any more; with the epoch in which it was served.
    Released(ShardRef, Option<u64>),
}

impl Ownership {
    /// A loop over these domains.
    #[must_use]
    pub fn new(
        surroundings: Surroundings,
        policy: Policy,
        hosted: BTreeMap<Domain, Hosted>,
    ) -> Self {
        let (events, happened) = mpsc::unbounded_channel();
        Self {
            surroundings,
            policy,
            hosted,
            mine: BTreeMap::new(),
            given_up: HashMap::new(),
            asked: HashMap::new(),
            orphans: HashMap::new(),
            readable_since: Instant::now(),
            started: Instant::now(),
            is_leaving: false,
            events,
            happened,
        }
    }

    /// Runs until the node has left.
    pub async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut leaving: Option<(Instant, oneshot::Sender<()>)> = None;
        loop {
            tokio::select! {
                _ = look.tick() => self.look().await,
                Some(request) = self.surroundings.requests.recv() => self.hand_over(request),
                Some((shard, epoch)) = self.surroundings.lost.recv() => {
                    // It may have been claimed anew since.
                    if self.mine.get(&shard).is_some_and(|mine| *mine <= epoch) {
                        self.mine.remove(&shard);
                        self.given_up.insert(shard, epoch);
                    }
                }
                Some(event) = self.happened.recv() => self.note(event),
                Ok(done) = &mut self.surroundings.leave, if leaving.is_none() => {
                    self.is_leaving = true;
                    leaving = Some((Instant::now() + LEAVE_WAIT, done));
                }
            }
            if let Some((end, _)) = &leaving
                && (self.mine.is_empty() || Instant::now() >= *end || !self.has_successors())
            {
                break;
            }
        }
        if let Some((_, done)) = leaving {
            let _ = done.send(());
        }
    }

    /// Whether another living node, that is not leaving too, hosts any of this node's domains.
    fn has_successors(&self) -> bool {
        let reading = self.surroundings.directory.view();
        let me = &self.surroundings.node;
        reading.view.nodes.iter().any(|entry| {
            entry.node.name != *me
                && entry.age < self.policy.claim_after
                && status_of(entry).is_none_or(|status| !status.is_stopping)
                && (entry.node.domains.iter()).any(|domain| self.hosted.contains_key(domain))
        })
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Claimed(shard, Ok(epoch)) => {
                tracing::info!(%shard, epoch, "a shard is claimed");
                self.mine.insert(shard, epoch);
                self.asked.remove(&shard);
                self.orphans.remove(&shard);
            }
            Event::Claimed(shard, Err(error)) => {
                tracing::warn!(%shard, error, "a shard cannot be claimed yet");
            }
            Event::Released(shard, epoch) => {
                tracing::info!(%shard, "a shard is handed over");
                if let Some(epoch) = self.mine.remove(&shard).max(epoch) {
                    self.given_up.insert(shard, epoch);
                }
            }
        }
    }

    /// Looks at every shard of the domains that this node hosts, and does what is due.
    async fn look(&mut self) {
        let reading = self.surroundings.directory.view();
        let is_recent = |age: Duration| age < self.policy.claim_after / 2;
        if !reading.age().is_some_and(is_recent) {
            self.readable_since = Instant::now();
            return;
        }
        if self.is_leaving {
            return;
        }
        let view = &reading.view;
        let mut claims: BTreeMap<Domain, Vec<ShardRef>> = BTreeMap::new();
        let mut to_ask = Vec::new();
        let mut taken = Vec::new();
        for (&domain, hosted) in &self.hosted {
            let assignment = hosted.assignment.borrow().clone();
            for index in 0..self.surroundings.topology.shards(domain) {
                let shard = ShardRef {
                    domain,
                    shard: index,
                };
                let (owner, name) = self.owner(view, shard);
                if let Some(&epoch) = self.mine.get(&shard) {
                    // A reading from before the claim says nothing of it.
                    let is_taken = owner != Owner::Me
                        && view.owners.iter().any(|entry| {
                            entry.shard == shard
                                && (entry.epoch > epoch
                                    || entry.epoch == epoch && owner == Owner::Nobody)
                        });
                    if is_taken {
                        taken.push((shard, hosted.writer.clone()));
                    }
                    continue;
                }
                let is_orphan = matches!(owner, Owner::Nobody | Owner::Dead);
                if is_orphan {
                    self.orphans.entry(shard).or_insert_with(Instant::now);
                } else {
                    self.orphans.remove(&shard);
                }
                let sight = Sight {
                    is_wanted: assignment.wanted.contains(&index),
                    is_member: assignment.is_member,
                    may_be_wanted_soon: assignment.is_member
                        || self.started.elapsed() < ORPHAN_WAIT,
                    owner,
                    asked_for: self.asked.get(&shard).map(Instant::elapsed),
                    orphaned_for: self.orphans.get(&shard).map(Instant::elapsed),
                    is_first_in_line: self.is_first_in_line(view, shard),
                };
                match step(&sight, &self.policy) {
                    Step::Leave => {
                        if !sight.is_wanted {
                            self.asked.remove(&shard);
                        }
                    }
                    Step::Claim => claims.entry(domain).or_default().push(shard),
                    Step::Ask => {
                        self.asked.insert(shard, Instant::now());
                        to_ask.extend(name.map(|name| (shard, name)));
                    }
                }
            }
        }
        for (shard, writer) in taken {
            self.notice_loss(shard, writer);
        }
        for (shard, name) in to_ask {
            self.ask(view, shard, &name);
        }
        if !claims.is_empty() {
            self.claim(claims).await;
        }
    }

    /// Closes a shard that another owner has taken. One that is at work finds out by itself with its next commit; one
    /// that is idle would not.
    fn notice_loss(&mut self, shard: ShardRef, writer: mpsc::Sender<Order>) {
        tracing::warn!(%shard, "another owner has taken a shard over while it was idle here");
        self.mine.remove(&shard);
        tokio::spawn(async move {
            let (released, _) = oneshot::channel();
            let order = Order::Release(shard, released);
            let _ = tokio::time::timeout(WRITER_WAIT, writer.send(order)).await;
        });
    }

    fn owner(&self, view: &DirectoryView, shard: ShardRef) -> (Owner, Option<String>) {
        let claim_after = self.policy.claim_after;
        let judge = Judge {
            me: &self.surroundings.node,
            given_up: self.given_up.get(&shard).copied(),
            dead_after: (self.readable_since.elapsed() >= claim_after).then_some(claim_after),
        };
        judge.owner(view, shard)
    }

    /// Whether of all living nodes that host a shard's domain this one comes first for it.
    fn is_first_in_line(&self, view: &DirectoryView, shard: ShardRef) -> bool {
        let me = self.surroundings.node.as_str();
        let others = view.nodes.iter().filter(|entry| {
            entry.age < self.policy.claim_after && entry.node.domains.contains(&shard.domain)
        });
        let first = others
            .map(|entry| entry.node.name.as_str())
            .chain([me])
            .max_by_key(|name| (place_in_line(name, shard), *name));
        first == Some(me)
    }

    /// Asks the owner of a shard to hand it over. What it answers shows in the directory.
    fn ask(&self, view: &DirectoryView, shard: ShardRef, owner: &str) {
        let Some(entry) = view.nodes.iter().find(|entry| entry.node.name == owner) else {
            return;
        };
        let (peers, directory) = (
            self.surroundings.peers.clone(),
            self.surroundings.directory.clone(),
        );
        let (address, me) = (entry.node.address.clone(), self.surroundings.node.clone());
        tokio::spawn(async move {
            match peers.hand_over(&address, shard, &me).await {
                Ok(()) => directory.refresh().await,
                Err(error) => {
                    tracing::warn!(%shard, address, %error, "the owner of a shard does not hand it over");
                }
            }
        });
    }

    /// Claims shards, and looks at the directory anew: others may have come first, and others are to know.
    async fn claim(&mut self, claims: BTreeMap<Domain, Vec<ShardRef>>) {
        let claims = claims.into_iter().filter_map(|(domain, shards)| {
            let writer = self.hosted.get(&domain)?.writer.clone();
            Some(async move {
                let (done, claimed) = oneshot::channel();
                let order = Order::Claim(shards.clone(), done);
                let claiming = async {
                    writer.send(order).await.ok()?;
                    claimed.await.ok()
                };
                match tokio::time::timeout(WRITER_WAIT, claiming).await {
                    Ok(Some(claimed)) => claimed
                        .into_iter()
                        .map(|(shard, claimed)| (shard, claimed.map_err(|it| it.to_string())))
                        .collect(),
                    _ => shards
                        .into_iter()
                        .map(|shard| (shard, Err("the journal writer is busy".to_owned())))
                        .collect::<Vec<_>>(),
                }
            })
        });
        let claimed = join_all(claims).await;
        for (shard, claimed) in claimed.into_iter().flatten() {
            self.note(Event::Claimed(shard, claimed));
        }
        self.surroundings.directory.refresh().await;
    }

    /// Brings a shard to rest and gives it up, because another node asks for it.
    fn hand_over(&self, request: HandOverRequest) {
        let HandOverRequest { shard, to, done } = request;
        let hosted = self.hosted.get(&shard.domain);
        let Some(hosted) = hosted.filter(|_| self.mine.contains_key(&shard)) else {
            let _ = done.send(());
            return;
        };
        tracing::info!(%shard, to, "another node asks for a shard");
        let (shards, writer) = (hosted.shards.clone(), hosted.writer.clone());
        let (directory, events) = (self.surroundings.directory.clone(), self.events.clone());
        tokio::spawn(async move {
            shards.drain(shard.shard, DRAIN_WAIT).await;
            let (released, released_end) = oneshot::channel();
            let order = Order::Release(shard, released);
            let sent = tokio::time::timeout(WRITER_WAIT, writer.send(order)).await;
            if matches!(sent, Ok(Ok(())))
                && let Ok(epoch) = released_end.await
            {
                let _ = events.send(Event::Released(shard, epoch));
                let _ = done.send(());
                directory.refresh().await;
            }
        });
    }
}

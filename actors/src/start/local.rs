//! The shards that a process hosts: actors on threads, and what is done with all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Addr, MailboxError};
use domain::{Domain, ShardRef};
use futures::future::BoxFuture;
use storage::Views;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    mending::mend,
    threads::{Movable, ShardThread, ShardThreads},
};
use crate::{
    auth::UserHost,
    cluster::Drain,
    notifications::{NotificationHost, Templates},
    orders::OrderHost,
    products::ProductHost,
    runtime::{
        Env, Host,
        handle::{Incumbent, ShardHandle},
        messages::{GiveUp, Inspect, StopTaking},
        shard::{Post, Retired, ShardActor},
        shards::shard_ref,
        writer::{ShardLine, WriterHandle},
    },
    transport::Inbox,
};

/// How often it is looked whether shards are done.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// How long a shard of a stopping node has to say how much it has left.
const INSPECTION_WAIT: Duration = Duration::from_secs(1);

/// The shards of all domains; of those that the process does not host there are none.
pub(super) struct Local {
    pub(super) users: OfDomain<UserHost>,
    pub(super) orders: OfDomain<OrderHost>,
    pub(super) products: OfDomain<ProductHost>,
    pub(super) notifications: OfDomain<NotificationHost>,
    pub(super) threads: ShardThreads,
    /// The shards whose actors have panicked.
    failed: Option<mpsc::UnboundedReceiver<ShardRef>>,
}

/// What the shards of a process are started with.
pub(super) struct Setting<'a> {
    pub(super) env: &'a Env,
    pub(super) domains: &'a BTreeSet<Domain>,
    /// The writer of each domain.
    pub(super) writers: &'a BTreeMap<Domain, WriterHandle>,
    pub(super) threads: usize,
    pub(super) views: &'a Arc<dyn Views>,
    pub(super) templates: &'a Arc<Templates>,
}

/// With what the shards of a domain are started.
struct Start<'a> {
    setting: &'a Setting<'a>,
    threads: &'a ShardThreads,
    failed: &'a mpsc::UnboundedSender<ShardRef>,
}

/// The shards of one domain.
pub(super) struct OfDomain<H: Host> {
    domain: Domain,
    pub(super) handles: Arc<[ShardHandle<H>]>,
    /// Makes an actor of a shard on a thread.
    employ: Option<Employ<H>>,
    writer: Option<WriterHandle>,
}

/// Makes an actor of the shard with this number on a thread.
type Employ<H> = Arc<dyn Fn(usize, &ShardThread) -> Incumbent<H> + Send + Sync>;

impl<H: Host> Clone for OfDomain<H> {
    fn clone(&self) -> Self {
        Self {
            domain: self.domain,
            handles: self.handles.clone(),
            employ: self.employ.clone(),
            writer: self.writer.clone(),
        }
    }
}

impl Local {
    /// Starts the shards, spread over threads.
    pub(super) fn start(setting: &Setting<'_>) -> Self {
        let threads = ShardThreads::start(setting.threads);
        let (failed, failed_end) = mpsc::unbounded_channel();
        let start = Start {
            setting,
            threads: &threads,
            failed: &failed,
        };
        let (views, templates) = (setting.views.clone(), setting.templates.clone());
        let orders = move || OrderHost {
            views: views.clone(),
        };
        let notifications = move || NotificationHost {
            templates: templates.clone(),
        };
        Self {
            users: OfDomain::start(Domain::Auth, &start, || UserHost),
            orders: OfDomain::start(Domain::Orders, &start, orders),
            products: OfDomain::start(Domain::Products, &start, || ProductHost),
            notifications: OfDomain::start(Domain::Notifications, &start, notifications),
            threads,
            failed: Some(failed_end),
        }
    }

    /// Replaces threads that are frozen and actors of shards that have panicked, for as long as the process runs. To be
    /// called once.
    pub(super) fn watch(&mut self, env: Env) -> impl Future<Output = ()> + Send + 'static {
        let shards: Arc<[Box<dyn Movable>]> = Arc::new([
            Box::new(self.users.clone()),
            Box::new(self.orders.clone()),
            Box::new(self.products.clone()),
            Box::new(self.notifications.clone()),
        ]);
        let (threads, failed) = (self.threads.clone(), self.failed.take());
        async move {
            let mending = async {
                if let Some(failed) = failed {
                    mend(&threads, &env, &shards, failed).await;
                }
            };
            tokio::join!(threads.clone().watch(&env, &shards), mending);
        }
    }

    /// How a writer reaches the shards of a domain.
    pub(super) fn lines(&self, domain: Domain) -> BTreeMap<ShardRef, ShardLine> {
        match domain {
            Domain::Auth => self.users.lines(),
            Domain::Orders => self.orders.lines(),
            Domain::Products => self.products.lines(),
            Domain::Notifications => self.notifications.lines(),
            Domain::Payments | Domain::Logs => BTreeMap::new(),
        }
    }

    /// Where a feed delivers what is for the shards of a domain.
    pub(super) fn inboxes(&self, domain: Domain) -> BTreeMap<ShardRef, Inbox> {
        match domain {
            Domain::Auth => self.users.inboxes(),
            Domain::Orders => self.orders.inboxes(),
            Domain::Products => self.products.inboxes(),
            Domain::Notifications => self.notifications.inboxes(),
            Domain::Payments | Domain::Logs => BTreeMap::new(),
        }
    }

    /// How the shards of a domain are brought to rest.
    pub(super) fn drain(&self, domain: Domain) -> Option<Arc<dyn Drain>> {
        match domain {
            Domain::Auth => Some(Arc::new(self.users.clone())),
            Domain::Orders => Some(Arc::new(self.orders.clone())),
            Domain::Products => Some(Arc::new(self.products.clone())),
            Domain::Notifications => Some(Arc::new(self.notifications.clone())),
            Domain::Payments | Domain::Logs => None,
        }
    }

    /// Makes every shard take on no more commands, and waits until none has a turn left, at most until `end`.
    pub(super) async fn stop(&self, end: Instant) {
        self.users.stop_taking();
        self.orders.stop_taking();
        self.products.stop_taking();
        self.notifications.stop_taking();
        while !self.is_drained(end).await && Instant::now() < end {
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }

    async fn is_drained(&self, end: Instant) -> bool {
        self.users.is_drained(end).await
            && self.orders.is_drained(end).await
            && self.products.is_drained(end).await
            && self.notifications.is_drained(end).await
    }
}

impl<H: Host> OfDomain<H> {
    fn start(
        domain: Domain,
        start: &Start<'_>,
        host: impl Fn() -> H + Send + Sync + 'static,
    ) -> Self {
        let setting = start.setting;
        let writer = setting
            .writers
            .get(&domain)
            .filter(|_| setting.domains.contains(&domain))
            .cloned();
        let employ = writer.clone().map(|writer| {
            employ(
                domain,
                setting.env.clone(),
                writer,
                start.failed.clone(),
                host,
            )
        });
        let shards = usize::from(setting.env.topology.shards(domain));
        let handles = employ.iter().flat_map(|employ| {
            start.threads.with(|threads| {
                let on = |index: usize| &threads[index % threads.len()];
                (0..shards)
                    .map(|index| ShardHandle::new(employ(index, on(index))))
                    .collect::<Vec<_>>()
            })
        });
        Self {
            domain,
            handles: handles.collect(),
            employ: employ.clone(),
            writer,
        }
    }

    fn by_shard(&self) -> impl Iterator<Item = (ShardRef, &ShardHandle<H>)> {
        let handles = self.handles.iter().enumerate();
        handles.map(|(index, handle)| (shard_ref(self.domain, index), handle))
    }

    fn inboxes(&self) -> BTreeMap<ShardRef, Inbox> {
        self.by_shard()
            .map(|(shard, handle)| (shard, handle.inbox()))
            .collect()
    }

    fn lines(&self) -> BTreeMap<ShardRef, ShardLine> {
        self.by_shard()
            .map(|(shard, handle)| {
                let inbox = handle.inbox();
                let handle = handle.clone();
                let signal = Arc::new(move |signal| handle.signal(signal));
                (shard, ShardLine { signal, inbox })
            })
            .collect()
    }

    fn stop_taking(&self) {
        for shard in self.handles.iter() {
            // A shard whose mailbox is full refuses new commands anyway.
            drop(shard.try_send(StopTaking));
        }
    }

    /// Whether no shard has a turn left.
    async fn is_drained(&self, end: Instant) -> bool {
        for shard in self.handles.iter() {
            if !is_at_rest(&shard.address(), end).await {
                return false;
            }
        }
        true
    }
}

impl<H: Host> Drain for OfDomain<H> {
    fn drain(&self, shard: u16, limit: Duration) -> BoxFuture<'static, ()> {
        let address = (self.handles.get(usize::from(shard))).map(ShardHandle::address);
        Box::pin(async move {
            let end = Instant::now() + limit;
            let Some(address) = address else {
                return;
            };
            // Behind whatever waits in its mailbox.
            let told = timeout_at(end, address.send(GiveUp)).await;
            while matches!(told, Ok(Ok(())))
                && !is_at_rest(&address, end).await
                && Instant::now() < end
            {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        })
    }
}

/// How actors of a domain's shards are made.
fn employ<H: Host>(
    domain: Domain,
    env: Env,
    writer: WriterHandle,
    failed: mpsc::UnboundedSender<ShardRef>,
    host: impl Fn() -> H + Send + Sync + 'static,
) -> Employ<H> {
    Arc::new(move |index, thread| {
        let (signals, signals_end) = mpsc::unbounded_channel();
        let shard = shard_ref(domain, index);
        let (arbiter, heartbeat) = thread.seat();
        let retired = Retired::default();
        let host = host();
        let post = Post {
            env: env.clone(),
            writer: writer.clone(),
            signals: signals_end,
            heartbeat,
            retired: retired.clone(),
            failed: failed.clone(),
        };
        let address =
            ShardActor::start_in_arbiter(&arbiter, move |_| ShardActor::new(host, shard, post));
        Incumbent {
            address,
            signals,
            retired,
        }
    })
}

impl<H: Host> Movable for OfDomain<H> {
    fn move_to(&self, thread: &ShardThread, remainder: usize, threads: usize) -> Vec<ShardRef> {
        let (Some(employ), Some(writer)) = (&self.employ, &self.writer) else {
            return Vec::new();
        };
        let moved = self.handles.iter().enumerate();
        let moved: Vec<ShardRef> = moved
            .filter(|(index, _)| index % threads == remainder)
            .map(|(index, handle)| {
                handle.replace(employ(index, thread));
                shard_ref(self.domain, index)
            })
            .collect();
        writer.replaced(moved.clone());
        moved
    }

    fn replace(&self, shard: ShardRef, threads: &[ShardThread]) {
        let index = usize::from(shard.shard);
        if shard.domain == self.domain
            && let (Some(employ), Some(writer)) = (&self.employ, &self.writer)
            && let (Some(handle), false) = (self.handles.get(index), threads.is_empty())
        {
            handle.replace(employ(index, &threads[index % threads.len()]));
            writer.replaced(vec![shard]);
        }
    }
}

/// Whether a shard has no turn left. One that does not say so in time may have.
async fn is_at_rest<H: Host>(shard: &Addr<ShardActor<H>>, end: Instant) -> bool {
    let end = end.min(Instant::now() + INSPECTION_WAIT);
    match timeout_at(end, shard.send(Inspect)).await {
        Ok(Ok(inspection)) => inspection.turns_pending == 0,
        // It has ended, with all it had.
        Ok(Err(MailboxError::Closed)) => true,
        _ => false,
    }
}

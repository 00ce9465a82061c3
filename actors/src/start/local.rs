//! The shards that a process hosts: actors on threads, and what is done with all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Addr, MailboxError, Recipient};
use actix_rt::{Arbiter, ArbiterHandle};
use domain::{Domain, ShardRef};
use futures::future::BoxFuture;
use storage::Views;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    auth::UserHost,
    cluster::Drain,
    notifications::{NotificationHost, Templates},
    orders::OrderHost,
    products::ProductHost,
    runtime::{
        Env, Host,
        messages::{Deliver, GiveUp, Inspect, StopTaking, WriterHandle},
        shard::ShardActor,
        shards::shard_ref,
        writer::SignalShard,
    },
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
    pub(super) arbiters: Vec<Arbiter>,
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

/// The shards of one domain.
pub(super) struct OfDomain<H: Host> {
    domain: Domain,
    pub(super) addresses: Arc<[Addr<ShardActor<H>>]>,
    signals: Vec<SignalShard>,
}

impl<H: Host> Clone for OfDomain<H> {
    fn clone(&self) -> Self {
        Self {
            domain: self.domain,
            addresses: self.addresses.clone(),
            signals: self.signals.clone(),
        }
    }
}

impl Local {
    /// Starts the shards, spread over threads.
    pub(super) fn start(setting: &Setting<'_>) -> Self {
        let arbiters: Vec<Arbiter> = (0..setting.threads.max(1))
            .map(|_| Arbiter::new())
            .collect();
        let threads: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
        let (views, templates) = (setting.views, setting.templates);
        Self {
            users: OfDomain::start(Domain::Auth, setting, &threads, || UserHost),
            orders: OfDomain::start(Domain::Orders, setting, &threads, || OrderHost {
                views: views.clone(),
            }),
            products: OfDomain::start(Domain::Products, setting, &threads, || ProductHost),
            notifications: OfDomain::start(Domain::Notifications, setting, &threads, || {
                NotificationHost {
                    templates: templates.clone(),
                }
            }),
            arbiters,
        }
    }

    /// How a writer tells the shards of a domain.
    pub(super) fn signals(&self, domain: Domain) -> BTreeMap<ShardRef, SignalShard> {
        let signals = match domain {
            Domain::Auth => &self.users.signals,
            Domain::Orders => &self.orders.signals,
            Domain::Products => &self.products.signals,
            Domain::Notifications => &self.notifications.signals,
            Domain::Payments | Domain::Logs => return BTreeMap::new(),
        };
        let signals = signals.iter().cloned().enumerate();
        signals
            .map(|(index, signal)| (shard_ref(domain, index), signal))
            .collect()
    }

    /// Where a feed delivers what is for the shards of a domain.
    pub(super) fn inboxes(&self, domain: Domain) -> BTreeMap<ShardRef, Recipient<Deliver>> {
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
        setting: &Setting<'_>,
        threads: &[ArbiterHandle],
        host: impl Fn() -> H,
    ) -> Self
    where
        H: Send,
    {
        let mut addresses = Vec::new();
        let mut signals: Vec<SignalShard> = Vec::new();
        let writer = setting
            .writers
            .get(&domain)
            .filter(|_| setting.domains.contains(&domain));
        if let Some(writer) = writer {
            for index in 0..usize::from(setting.env.topology.shards(domain)) {
                let (signal, signal_end) = mpsc::unbounded_channel();
                let (host, env, writer) = (host(), setting.env.clone(), writer.clone());
                let shard = shard_ref(domain, index);
                let thread = &threads[index % threads.len()];
                addresses.push(ShardActor::start_in_arbiter(thread, move |_| {
                    ShardActor::new(host, env, shard, writer, signal_end)
                }));
                signals.push(Arc::new(move |message| {
                    let _ = signal.send(message);
                }));
            }
        }
        Self {
            domain,
            addresses: addresses.into(),
            signals,
        }
    }

    fn inboxes(&self) -> BTreeMap<ShardRef, Recipient<Deliver>> {
        let addresses = self.addresses.iter().enumerate();
        addresses
            .map(|(index, address)| (shard_ref(self.domain, index), address.clone().recipient()))
            .collect()
    }

    fn stop_taking(&self) {
        for shard in self.addresses.iter() {
            // A shard whose mailbox is full refuses new commands anyway.
            drop(shard.try_send(StopTaking));
        }
    }

    /// Whether no shard has a turn left.
    async fn is_drained(&self, end: Instant) -> bool {
        for shard in self.addresses.iter() {
            if !is_at_rest(shard, end).await {
                return false;
            }
        }
        true
    }
}

impl<H: Host> Drain for OfDomain<H> {
    fn drain(&self, shard: u16, limit: Duration) -> BoxFuture<'static, ()> {
        let address = self.addresses.get(usize::from(shard)).cloned();
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

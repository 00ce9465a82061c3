//! The threads of a process: those that serve shards, watched and replaced when they freeze, and the end of all.

use std::sync::{Arc, Mutex, PoisonError};

use actix_rt::{Arbiter, ArbiterHandle};
use domain::ShardRef;
use engine::{Restarts, supervision::Verdict};
use tokio::{runtime::Handle, sync::oneshot};

use crate::runtime::{
    Env, policy,
    stats::RestartCause,
    watchdog::{BEAT, Heartbeat, Judge, LOOK},
};

/// A thread that serves shards.
pub(super) struct ShardThread {
    arbiter: Arbiter,
    heartbeat: Arc<Heartbeat>,
}

impl ShardThread {
    fn start() -> Self {
        let arbiter = thread();
        let heartbeat = Arc::new(Heartbeat::default());
        let beating = heartbeat.clone();
        arbiter.spawn(async move {
            loop {
                beating.beat();
                tokio::time::sleep(BEAT).await;
            }
        });
        Self { arbiter, heartbeat }
    }

    fn heart(&self) -> Arc<Heartbeat> {
        self.heartbeat.clone()
    }

    /// Where actors are started on it, and how they show that it goes on.
    pub(super) fn seat(&self) -> (ArbiterHandle, Arc<Heartbeat>) {
        (self.arbiter.handle(), self.heartbeat.clone())
    }
}

/// Shards that can be moved to another thread.
pub(super) trait Movable: Send + Sync {
    /// Serves every shard whose number leaves this remainder anew, by an actor on that thread, and has the writer claim
    /// it. The actors there were do nothing more. Returns the shards.
    fn move_to(&self, thread: &ShardThread, remainder: usize, threads: usize) -> Vec<ShardRef>;

    /// Serves this shard anew, if it is one of these, by an actor on the thread that it belongs to, and has the writer
    /// claim it.
    fn replace(&self, shard: ShardRef, threads: &[ShardThread]);
}

/// All threads that serve shards; shard `i` of each domain is on thread `i` modulo their number.
#[derive(Clone)]
pub(super) struct ShardThreads {
    threads: Arc<Mutex<Vec<ShardThread>>>,
}

impl ShardThreads {
    pub(super) fn start(count: usize) -> Self {
        let threads = (0..count.max(1)).map(|_| ShardThread::start()).collect();
        Self {
            threads: Arc::new(Mutex::new(threads)),
        }
    }

    /// Looks at every thread.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Vec<ShardThread>) -> T) -> T {
        look(&mut self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces threads that are frozen, for as long as the process runs.
    pub(super) async fn watch(self, env: &Env, shards: &[Box<dyn Movable>]) {
        let count = self.with(|threads| threads.len());
        let mut judges: Vec<Judge> = (0..count).map(|_| Judge::new(env.clock.uptime())).collect();
        let mut restarts = Restarts::default();
        loop {
            tokio::time::sleep(LOOK).await;
            for (index, judge) in judges.iter_mut().enumerate() {
                let now = env.clock.uptime();
                let thread = self.with(|threads| threads.get(index).map(ShardThread::heart));
                let Some(heartbeat) = thread else {
                    // The process is stopping.
                    return;
                };
                if !judge.is_frozen(heartbeat.beats(), now) {
                    continue;
                }
                report(env, index, &heartbeat);
                let verdict = restarts.failed(&policy::THREAD, now);
                env.stats.note_thread_budget(restarts.clone());
                if let Verdict::Escalate(_) = verdict {
                    env.stats.escalated(policy::THREAD.kind);
                    (env.on_fatal)("shard threads freeze again and again".to_owned());
                    return;
                }
                self.replace(env, index, shards);
                *judge = Judge::new(env.clock.uptime());
            }
        }
    }

    /// Moves the shards of a frozen thread to a new one. The old one cannot be ended: it ends by itself if it ever
    /// wakes.
    fn replace(&self, env: &Env, index: usize, shards: &[Box<dyn Movable>]) {
        let thread = ShardThread::start();
        let (frozen, moved) = self.with(|threads| {
            let moved: Vec<ShardRef> = shards
                .iter()
                .flat_map(|shards| shards.move_to(&thread, index, threads.len()))
                .collect();
            (std::mem::replace(&mut threads[index], thread), moved)
        });
        frozen.arbiter.stop();
        for shard in &moved {
            env.stats.shard_restarted(*shard, RestartCause::Frozen);
        }
        tracing::warn!(
            thread = index,
            shards = moved.len(),
            "the shards of a frozen thread are claimed again and served by another"
        );
    }

    /// The threads, to be ended.
    pub(super) fn into_arbiters(self) -> Vec<Arbiter> {
        let threads = self.with(std::mem::take);
        threads.into_iter().map(|thread| thread.arbiter).collect()
    }
}

fn report(env: &Env, thread: usize, heartbeat: &Heartbeat) {
    let limit_ms = u64::try_from(policy::FROZEN_AFTER.as_millis()).unwrap_or(u64::MAX);
    match heartbeat.at() {
        Some((kind, id)) => {
            tracing::error!(
                thread,
                actor.kind = kind,
                actor.id = id,
                limit_ms,
                "an actor is frozen: its thread is replaced"
            );
            env.stats.froze(kind);
        }
        None => {
            tracing::error!(
                thread,
                limit_ms,
                "a shard is frozen: its thread is replaced"
            );
            env.stats.froze(policy::SHARD.kind);
        }
    }
}

/// A thread with actors.
pub(super) fn thread() -> Arbiter {
    Arbiter::with_tokio_rt(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // As `Arbiter::new` has it: a process that can start no thread does not start.
        let runtime = runtime.expect("a runtime can be made");
        // What is under way when the thread ends is dropped after the runtime was left, and a connection to a database
        // that is given back then panics. So the thread never leaves it.
        let handle: &'static Handle = Box::leak(Box::new(runtime.handle().clone()));
        std::mem::forget(handle.enter());
        runtime
    })
}

/// Stops threads; resolves when all have ended. They are joined on a thread of their own, so that one that is stuck
/// holds up neither this one nor the end of the process.
pub(super) async fn ended(arbiters: Vec<Arbiter>) {
    for arbiter in &arbiters {
        arbiter.stop();
    }
    let (joined, joined_end) = oneshot::channel();
    std::thread::spawn(move || {
        for arbiter in arbiters {
            let _ = arbiter.join();
        }
        let _ = joined.send(());
    });
    let _ = joined_end.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says, when it is dropped, whether there is a runtime.
    struct Leaving(Option<oneshot::Sender<bool>>);

    impl Drop for Leaving {
        fn drop(&mut self) {
            if let Some(said) = self.0.take() {
                let _ = said.send(Handle::try_current().is_ok());
            }
        }
    }

    #[actix_rt::test]
    async fn what_is_under_way_when_a_thread_ends_is_dropped_in_its_runtime() {
        let (said, heard) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        let thread = thread();
        thread.spawn(async move {
            let _leaving = Leaving(Some(said));
            let _ = begun.send(());
            std::future::pending::<()>().await;
        });
        assert_eq!(has_begun.await, Ok(()));
        ended(vec![thread]).await;
        assert_eq!(heard.await, Ok(true));
    }
}

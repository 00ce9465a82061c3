//! What every process that serves the shop has in common: its signals, its HTTP server, its end.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actors::{Shop, grpc, system::Phase};
use anyhow::Result;
use gateway::{Server, ServerHandle};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    admin::{self, FirstAdmin},
    output::{complain, say},
};

/// How long a process that is told to stop goes on at most, whatever happens: 30 s are promised.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(28);
/// The part of it that requests have which have begun.
const HTTP_STOP_LIMIT: Duration = Duration::from_secs(16);
/// How much later than it should the HTTP server may end: it looks once a second.
const HTTP_STOP_SLACK: Duration = Duration::from_secs(2);
/// How long a process that is told to stop while it makes the first administrator waits for that.
const ADMIN_WAIT: Duration = Duration::from_secs(2);
/// How often a starting node looks whether it is ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// The exit code of a process that cannot go on (`EX_SOFTWARE` of sysexits.h).
const EXIT_CANNOT_GO_ON: i32 = 70;

/// What actors call when the process cannot go on.
pub(crate) fn on_fatal() -> Arc<dyn Fn(String) + Send + Sync> {
    Arc::new(|reason| {
        tracing::error!(reason, "the process cannot go on");
        complain(format_args!("error: {reason}"));
        std::process::exit(EXIT_CANNOT_GO_ON);
    })
}

/// How HTTP is served by so many threads, and whether anyone may read metrics.
pub(crate) fn http_config(workers: usize, metrics_public: bool) -> gateway::Config {
    gateway::Config {
        workers,
        metrics_public,
        stop_limit: HTTP_STOP_LIMIT,
        ..gateway::Config::default()
    }
}

/// Threads for HTTP, and a bound for passwords hashed at a time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The HTTP server while it serves.
pub(crate) struct Http {
    handle: ServerHandle,
    served: actix_rt::task::JoinHandle<std::io::Result<()>>,
}

impl Http {
    pub(crate) fn begin(server: Server) -> Self {
        Self {
            handle: server.handle(),
            served: actix_rt::spawn(server),
        }
    }

    /// Lets requests finish for a while, and then ends them.
    pub(crate) async fn stop(self) {
        let stopped = timeout(HTTP_STOP_LIMIT + HTTP_STOP_SLACK, self.handle.stop(true)).await;
        if stopped.is_err() {
            // A server that is stopping hears no second word; dropped, it lets go of its connections.
            self.served.abort();
        }
        let _ = timeout(HTTP_STOP_SLACK, self.served).await;
    }
}

/// The gRPC server of a shop of one process while it serves.
pub(crate) struct Grpc {
    serving: grpc::Serving,
    stop: oneshot::Sender<()>,
}

impl Grpc {
    /// Begins to serve on a listener that is bound already.
    pub(crate) fn begin(listener: TcpListener, shop: &Shop) -> Result<Self> {
        let settings = grpc::Settings {
            stop_limit: HTTP_STOP_LIMIT,
            ..grpc::Settings::default()
        };
        let services = grpc::services(shop.clone(), &settings)?;
        let (stop, stop_end) = oneshot::channel();
        let stopped = async move {
            let _ = stop_end.await;
        };
        Ok(Self {
            serving: grpc::serve(listener, services, &settings, stopped)?,
            stop,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// Lets calls finish for a while, and then ends them.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(());
        let _ = timeout(HTTP_STOP_LIMIT + HTTP_STOP_SLACK, self.serving.ended()).await;
    }
}

/// Waits until every shard is served.
pub(crate) async fn until_served(shop: &Shop) {
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(READY_POLL).await;
    }
}

/// Makes the first administrator if there is none, and says so. `None` if the process was told to stop before.
pub(crate) async fn ensure_admin(shop: &Shop, signals: &mut StopSignals) -> Result<Option<()>> {
    // Not broken off at once: whoever stops it then would never learn the password.
    let admin = tokio::select! {
        admin = admin::ensure(shop) => admin?,
        () = async {
            signals.told().await;
            tokio::time::sleep(ADMIN_WAIT).await;
        } => return Ok(None),
    };
    say_who_is_admin(&admin);
    Ok(Some(()))
}

/// Says where the shop is found; tests and scripts wait for the first line.
pub(crate) fn say_ready(address: SocketAddr) {
    say(format_args!("Stampede is ready: http://{address}"));
    say(format_args!("  API documentation  http://{address}/docs"));
}

/// Said as soon as it is so: what is not said now is not known to anybody.
fn say_who_is_admin(admin: &FirstAdmin) {
    match admin {
        FirstAdmin::Exists => {}
        FirstAdmin::FromEnvironment => {
            say("administrator: admin, with the password from the environment");
        }
        FirstAdmin::Generated(password) => {
            say(format_args!(
                "administrator: admin, password {password} (shown this once)"
            ));
        }
    }
}

/// The signals that tell the process to stop.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    pub(crate) told_at: Option<Instant>,
}

impl StopSignals {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            told_at: None,
        })
    }

    /// Waits until the process is told to stop; returns at once if it has been.
    pub(crate) async fn told(&mut self) -> Instant {
        if let Some(told_at) = self.told_at {
            return told_at;
        }
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        *self.told_at.insert(Instant::now())
    }
}

//! The gRPC server: its threads, its bounds and its end.
//!
//! It has a small runtime of its own with several threads, because one busy connection must not hold up the others and
//! the threads of the shards have better things to do. The runtime outlives the server and ends with [`Serving`]: what
//! its calls have opened, such as connections to a database, may still serve others.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::atomic::Ordering,
    time::Duration,
};

use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};
use tonic::transport::{Server, server::TcpIncoming};

use super::{Services, Settings, guard::Guard};

/// How long a connection may be silent before it is asked whether it lives.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of the headers of one call.
const HEADER_BYTES_MAX: u32 = 16 * 1_024;

/// A running server.
pub struct Serving {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
    address: SocketAddr,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when the last call has ended after the server was asked to stop, or when their time is over.
    ///
    /// # Errors
    /// If the server has ended because of a fault.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.served)
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)
    }
}

/// Ends whatever still runs.
impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves on a listener that is bound already, until `shutdown` resolves: then no new call is taken, health says so,
/// streams end, and calls that have begun may go on for as long as [`Settings::stop_limit`] says.
///
/// # Errors
/// If the listener cannot be used, or there are no threads to be had.
pub fn serve(
    listener: TcpListener,
    services: Services,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Serving> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads.max(1))
        .thread_name("grpc")
        .enable_all()
        .build()?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let incoming = {
        // A listener belongs to the runtime in which it is made.
        let _entered = runtime.enter();
        TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true))
    };
    let served = runtime.spawn(run(incoming, services, *settings, shutdown));
    Ok(Serving {
        runtime: Some(runtime),
        served,
        address,
    })
}

async fn run(
    incoming: TcpIncoming,
    services: Services,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let Services {
        routes,
        edge,
        health,
    } = services;
    let keeping = tokio::spawn(health.clone().keep(edge.clone()));
    let (stopping, stopping_end) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        edge.is_stopping.store(true, Ordering::Release);
        keeping.abort();
        health.say_stopping().await;
        health.close().await;
        let _ = stopping.send(());
    };
    let serving = Server::builder()
        .layer(Guard)
        .max_concurrent_streams(settings.calls_per_connection_max)
        .concurrency_limit_per_connection(
            usize::try_from(settings.calls_per_connection_max).unwrap_or(usize::MAX),
        )
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, signal);
    let overdue = async move {
        if stopping_end.await.is_err() {
            // The server ends by itself, without having been asked to.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(settings.stop_limit).await;
    };
    tokio::select! {
        ended = serving => ended,
        () = overdue => {
            tracing::warn!("calls were cut off because their time for ending was over");
            Ok(())
        }
    }
}

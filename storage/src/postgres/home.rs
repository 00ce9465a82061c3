//! The runtime to which connections belong.
//!
//! A socket is woken by the runtime in which it was opened, and dies with it. Stores are used from many threads, each
//! with a runtime of its own, that come and go and are sometimes busy: a connection that one of them happened to open
//! must neither wait for that one nor end with it. So all connections are opened in one runtime, whoever needs them
//! first.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// A runtime in which futures can be polled from anywhere.
#[derive(Clone, Debug)]
pub(super) struct Home(Handle);

impl Home {
    /// The runtime of the caller. It must be driven for as long as the store is used.
    pub(super) fn here() -> Self {
        Self(Handle::current())
    }

    /// Carries a future out on the caller's thread; what it opens belongs to this runtime.
    pub(super) async fn of<F: Future>(&self, future: F) -> F::Output {
        let future = pin!(future);
        At {
            home: &self.0,
            future,
        }
        .await
    }
}

struct At<'a, F> {
    home: &'a Handle,
    future: Pin<&'a mut F>,
}

impl<F: Future> Future for At<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.home.enter();
        self.future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn a_connection_outlives_the_runtime_that_asked_for_it() {
        let home_runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (home, listener) = home_runtime.block_on(async {
            (
                Home::here(),
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
            )
        });
        let address = listener.local_addr().unwrap();
        let passing = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut stream = passing
            .block_on(home.of(TcpStream::connect(address)))
            .unwrap();
        drop(passing);
        let other = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        other.block_on(async move {
            let (mut peer, _) = home.of(listener.accept()).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            let mut read = [0; 5];
            peer.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"hello");
        });
    }
}

//! The runtime to which connections belong.
//!
//! A socket is woken by the runtime in which it was opened, and dies with it. Stores are used from many threads, each
//! with a runtime of its own, that come and go and are sometimes busy: a connection that one of them happened to open
//! must neither wait for that one nor end with it. So all connections are opened in one runtime, whoever needs them
//! first.

use std::{
    future::Future,
    pin::Pin,
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
    pub(super) fn of<F: Future>(&self, future: F) -> At<F> {
        At {
            home: self.0.clone(),
            future: Some(Box::pin(future)),
        }
    }

    /// Keeps a value that needs a runtime also when it is dropped, wherever that happens.
    pub(super) fn keep<T>(&self, value: T) -> Kept<T> {
        Kept {
            home: self.0.clone(),
            value: Some(value),
        }
    }
}

/// A future in another runtime.
pub(super) struct At<F> {
    home: Handle,
    /// `None` once it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for At<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.home.enter();
        match &mut this.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for At<F> {
    fn drop(&mut self) {
        let _entered = self.home.enter();
        self.future = None;
    }
}

/// A value that is dropped in another runtime.
pub(super) struct Kept<T> {
    home: Handle,
    /// `None` once it is taken or dropped.
    value: Option<T>,
}

impl<T> Kept<T> {
    /// The value.
    pub(super) fn get(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("only taking and dropping empty it, and both end it")
    }

    /// Takes the value out of keeping.
    pub(super) fn take(mut self) -> T {
        self.value
            .take()
            .expect("only taking and dropping empty it, and both end it")
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        let _entered = self.home.enter();
        self.value = None;
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

    #[test]
    fn what_is_kept_is_dropped_in_its_runtime_wherever_that_happens() {
        struct NeedsRuntime;
        impl Drop for NeedsRuntime {
            fn drop(&mut self) {
                let _ = Handle::current();
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let home = runtime.block_on(async { Home::here() });
        drop(home.keep(NeedsRuntime));
        drop(home.of(async {
            let _held = NeedsRuntime;
            std::future::pending::<()>().await;
        }));
        // Without a runtime: what drops it would panic if it were not kept.
        assert!(Handle::try_current().is_err());
    }
}

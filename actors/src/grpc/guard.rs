//! What stands before every service of the port: deadlines, the request that a call is part of, and panics that must not
//! take a connection down.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::timeout_at;
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http},
};
use tower::Layer;

use super::{Deadline, status};
use crate::trace;

/// The metadata that says which request of the client a call is part of.
const TRACEPARENT: &str = "traceparent";

/// Puts a [`Guarded`] before a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard;

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner }
    }
}

/// A service whose calls end in time and never by a panic.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let deadline = Deadline::of_headers(request.headers());
        if deadline.has_passed() {
            return Box::pin(async { Ok(status::deadline_exceeded().into_http()) });
        }
        request.extensions_mut().insert(deadline);
        let method = request.uri().path().to_owned();
        let given = request.headers().get(TRACEPARENT);
        let given = given.and_then(|value| trace::parse(value.to_str().ok()?));
        let answer_by = deadline.of_answer();
        // A service may panic before its future is there, so the call itself is within what is caught.
        let answering = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let Ok(answering) = answering else {
                return Ok(panicked(&method).into_http());
            };
            let answering = AssertUnwindSafe(answering).catch_unwind();
            let answered = match given {
                Some(given) => timeout_at(answer_by, trace::within(given, answering)).await,
                None => timeout_at(answer_by, answering).await,
            };
            match answered {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Ok(panicked(&method).into_http()),
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        })
    }
}

/// What the panic said is in the log already.
fn panicked(method: &str) -> Status {
    tracing::error!(rpc.method = method, "a handler panicked");
    status::internal()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use tonic::Code;
    use tower::service_fn;

    use super::*;

    async fn answer<F>(
        timeout: Option<&'static str>,
        handler: impl FnMut(http::Request<Body>) -> F,
    ) -> Code
    where
        F: Future<Output = Result<http::Response<Body>, Infallible>> + Send + 'static,
    {
        let mut request = http::Request::new(Body::empty());
        if let Some(timeout) = timeout {
            request
                .headers_mut()
                .insert("grpc-timeout", timeout.parse().unwrap());
        }
        let response = Guard
            .layer(service_fn(handler))
            .call(request)
            .await
            .unwrap();
        Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
    }

    fn good() -> Result<http::Response<Body>, Infallible> {
        Ok(http::Response::new(Body::empty()))
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let code = answer(None, |_| async { panic!("on purpose") }).await;
        assert_eq!(code, Code::Internal);
    }

    #[tokio::test]
    async fn a_call_whose_deadline_has_passed_is_not_begun() {
        let mut has_begun = false;
        let handler = |_| {
            has_begun = true;
            async { good() }
        };
        assert_eq!(answer(Some("0n"), handler).await, Code::DeadlineExceeded);
        assert!(!has_begun);
    }

    #[tokio::test]
    async fn a_call_ends_with_its_deadline() {
        let slow = |_| async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            good()
        };
        assert_eq!(answer(Some("20m"), slow).await, Code::DeadlineExceeded);
        assert_eq!(answer(Some("20S"), |_| async { good() }).await, Code::Ok);
        assert_eq!(answer(None, |_| async { good() }).await, Code::Ok);
    }
}

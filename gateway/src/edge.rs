//! The outermost layer of every request: HEAD, the form of errors, and panics that must not take a connection down.
//!
//! It costs a good answer almost nothing: trace ids are looked at, and problems rendered, only where something went
//! wrong.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix_web::{
    Error, HttpRequest,
    body::{self, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::{Bytes, Data},
};
use actors::trace::STAGE;
use futures::FutureExt;
use tokio::sync::Semaphore;
use tracing::{Instrument, error, warn};

use crate::{
    Config, document,
    methods::Methods,
    metrics::HttpMeters,
    problem::{Code, HttpCode, Panicked, Problem, render},
    quiet::Quiet,
    routes,
    trace::{self, TraceId},
};

/// Streams of server-sent events that are open at the same time in this process.
const STREAMS_MAX: usize = 1_024;
/// Refusals for now are logged at most once in this time; an overload must not become a flood of lines as well.
const UNAVAILABLE_LOG_PAUSE: Duration = Duration::from_secs(1);

/// What all handlers share, beside the shop.
pub(crate) struct Edge {
    /// How the gateway is set up.
    pub(crate) config: Config,
    /// Which methods each documented path takes.
    pub(crate) methods: Methods,
    /// The OpenAPI document as it is served.
    pub(crate) document: Bytes,
    /// What is measured of requests.
    pub(crate) meters: Arc<HttpMeters>,
    /// A permit for each stream that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
    unavailable: Quiet,
}

impl Edge {
    /// Sets the gateway up.
    pub(crate) fn new(config: Config) -> Self {
        let document = document::openapi();
        Self {
            config,
            methods: Methods::of(&document),
            meters: HttpMeters::of(&document),
            // A document of strings and maps always has a JSON form.
            document: serde_json::to_vec(&document).unwrap_or_default().into(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            unavailable: Quiet::new(UNAVAILABLE_LOG_PAUSE),
        }
    }

    /// The one that serves this request.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        request
            .app_data::<Data<Self>>()
            .map(|edge| edge.as_ref())
            .ok_or_else(|| Problem::internal("the gateway was built without its own state"))
    }

    fn log(&self, request: &HttpRequest, problem: &Problem, trace: TraceId) {
        let (method, path) = (request.method(), request.match_pattern());
        let path = path.as_deref().unwrap_or("unknown");
        let cause = problem.cause().unwrap_or("unknown");
        match problem.code() {
            Code::Internal => {
                error!(trace.id = %trace, http.method = %method, http.route = path, cause, "a request failed");
            }
            Code::Unavailable => {
                if let Some(unsaid) = self.unavailable.speak() {
                    warn!(trace.id = %trace, http.method = %method, http.route = path, cause, unsaid, "a request was put off");
                }
            }
            _ => {}
        }
    }
}

/// The middleware.
pub(crate) async fn edge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let edge = Edge::of(request.request());
    let measuring = edge.ok().map(|edge| edge.meters.begin(&request));
    let span = tracing::debug_span!(target: STAGE, "request", http.method = %request.method(), http.path = request.path());
    let answer = answered(request, next).instrument(span).await;
    if let Some(measuring) = measuring {
        measuring.end(match &answer {
            Ok(answer) => answer.status(),
            Err(error) => error.as_response_error().status_code(),
        });
    }
    answer
}

async fn answered<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let trace = trace::of_caller(request.headers());
    let call = next.call(request);
    let answer = match trace {
        Some(trace) => {
            AssertUnwindSafe(actors::trace::within(trace, call))
                .catch_unwind()
                .await
        }
        None => AssertUnwindSafe(call).catch_unwind().await,
    };
    let Ok(answer) = answer else {
        // The request is gone with the handler. What the panic said is in the log already.
        error!("a handler panicked");
        return Err(Panicked.into());
    };
    let mut answer = answer?.map_into_boxed_body();
    if answer.status().as_u16() >= StatusCode::BAD_REQUEST.as_u16() {
        answer = rendered(answer);
    }
    if is_head {
        // Without `Content-Length`: while a request is answered, the server may have read the next one of the
        // connection and forgotten that this one is HEAD; what has no length and no body is framed right all the same.
        answer = answer.map_body(|_, _| body::None::new().boxed());
    }
    Ok(answer)
}

/// An answer that tells of an error in the form that its caller understands. Errors that the HTTP library made become
/// problems too; answers that a handler has built itself, as it meant them, stay.
fn rendered(answer: ServiceResponse) -> ServiceResponse {
    let Some(error) = answer.response().error() else {
        return answer;
    };
    let made_here;
    let problem = match error.as_error::<Problem>() {
        Some(problem) => problem,
        None => {
            made_here = from_library(answer.status(), error);
            &made_here
        }
    };
    let request = answer.request();
    let trace = TraceId::of(request.headers());
    if problem.code().status().is_server_error()
        && let Ok(edge) = Edge::of(request)
    {
        edge.log(request, problem, trace);
    }
    let rendered = render(problem, trace, routes::form_of(request.path()));
    answer.into_response(rendered)
}

fn from_library(status: StatusCode, error: &Error) -> Problem {
    let code = Code::of_status(status);
    if code == Code::Internal {
        return Problem::internal(error.to_string());
    }
    let problem = Problem::new(code, code.title());
    if code == Code::Unavailable {
        problem.retry_after(1)
    } else {
        problem
    }
}

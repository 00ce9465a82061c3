//! What is measured of HTTP: requests by route, method and status, and how long they took.
//!
//! The routes are those of the OpenAPI document, as patterns, and everything else is one more: nobody can make the
//! number of figures grow. A request costs a look into a table and a few atomic increments.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix_web::{
    dev::ServiceRequest,
    http::{Method, StatusCode},
};
use actors::metrics::{Collector, DescriptorEncoder, Histogram, MetricType, write_family};
use utoipa::openapi::OpenApi;

/// Methods that have figures of their own; all others are one more.
const METHODS: [(&str, Method); 5] = [
    ("GET", Method::GET),
    ("POST", Method::POST),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];
/// Status codes that have figures of their own; all others are one more.
const STATUSES: [u16; 23] = [
    200, 201, 202, 204, 206, 304, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 412, 413, 415,
    422, 429, 500, 503,
];
/// What has no figures of its own.
const OTHER: &str = "other";

/// All figures.
#[derive(Debug)]
pub(crate) struct HttpMeters {
    routes: Vec<Route>,
    /// Where each route is in the list, by its pattern.
    by_pattern: HashMap<String, usize>,
}

#[derive(Debug)]
struct Route {
    pattern: String,
    duration: Histogram,
    /// By method and status.
    requests: Box<[[AtomicU64; STATUSES.len() + 1]]>,
}

impl Route {
    fn new(pattern: &str) -> Self {
        let by_status = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            pattern: pattern.to_owned(),
            duration: Histogram::of_seconds(),
            requests: (0..=METHODS.len()).map(|_| by_status()).collect(),
        }
    }
}

/// A request that is being answered.
pub(crate) struct Measuring {
    meters: Arc<HttpMeters>,
    route: usize,
    method: usize,
    begun: Instant,
}

impl HttpMeters {
    /// For the routes of a document.
    pub(crate) fn of(document: &OpenApi) -> Arc<Self> {
        let patterns = document.paths.paths.keys().map(String::as_str);
        let routes: Vec<Route> = patterns.chain([OTHER]).map(Route::new).collect();
        let places = routes.iter().enumerate();
        let by_pattern = places.map(|(index, route)| (route.pattern.clone(), index));
        Arc::new(Self {
            by_pattern: by_pattern.collect(),
            routes,
        })
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>, request: &ServiceRequest) -> Measuring {
        // HEAD is answered as GET is.
        let is_asked = |method: &Method| match *request.method() {
            Method::HEAD => *method == Method::GET,
            ref asked => asked == method,
        };
        let method = METHODS.iter().position(|(_, it)| is_asked(it));
        Measuring {
            meters: self.clone(),
            route: self.route(request),
            method: method.unwrap_or(METHODS.len()),
            begun: Instant::now(),
        }
    }

    fn route(&self, request: &ServiceRequest) -> usize {
        // The busiest routes have no parameters: their path is their pattern.
        let exact = self.by_pattern.get(request.path()).copied();
        let found = exact.or_else(|| {
            let pattern = request.match_pattern()?;
            self.by_pattern.get(&pattern).copied()
        });
        found.unwrap_or(self.routes.len() - 1)
    }
}

impl Measuring {
    /// It is answered.
    pub(crate) fn end(self, status: StatusCode) {
        let status = STATUSES.iter().position(|it| *it == status.as_u16());
        let route = &self.meters.routes[self.route];
        route.duration.took(self.begun.elapsed());
        route.requests[self.method][status.unwrap_or(STATUSES.len())]
            .fetch_add(1, Ordering::Relaxed);
    }
}

/// The figures, to be written down.
#[derive(Debug)]
pub(crate) struct HttpExposition(pub(crate) Arc<HttpMeters>);

impl Collector for HttpExposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let names: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
        let name_of = |status: usize| names.get(status).map_or(OTHER, String::as_str);
        let method_of = |method: usize| METHODS.get(method).map_or(OTHER, |(name, _)| *name);
        let routes = || self.0.routes.iter();
        let requests = routes().flat_map(|route| {
            let by_method = route.requests.iter().enumerate();
            by_method.flat_map(move |(method, by_status)| {
                let by_status = by_status.iter().enumerate();
                by_status.map(move |(status, count)| {
                    let count = count.load(Ordering::Relaxed);
                    (route.pattern.as_str(), method, status, count)
                })
            })
        });
        let asked = requests.filter(|(.., count)| *count > 0);
        write_family(
            &mut encoder,
            MetricType::Counter,
            "stampede_http_requests",
            "Requests that were answered",
            asked.map(|(route, method, status, count)| {
                let labels = vec![
                    ("route", route),
                    ("method", method_of(method)),
                    ("status", name_of(status)),
                ];
                (labels, count)
            }),
        )?;
        let mut durations = encoder.encode_descriptor(
            "stampede_http_request_duration_seconds",
            "From the head of a request to the head of its answer",
            None,
            MetricType::Histogram,
        )?;
        for route in routes().filter(|route| route.duration.count() > 0) {
            let labels = [("route", route.pattern.as_str())];
            route.duration.encode(durations.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_request_counts_for_its_pattern_and_never_for_an_id() {
        let meters = HttpMeters::of(&crate::openapi());
        let begin = |method: Method, path: &str| {
            let request = TestRequest::default().method(method).uri(path);
            meters.begin(&request.to_srv_request())
        };
        begin(Method::POST, "/v1/orders").end(StatusCode::CREATED);
        begin(Method::GET, "/v1/orders").end(StatusCode::OK);
        begin(Method::GET, "/nothing/17").end(StatusCode::NOT_FOUND);
        begin(Method::TRACE, "/v1/orders").end(StatusCode::IM_A_TEAPOT);

        let mut registry = actors::metrics::Registry::default();
        registry.register_collector(Box::new(HttpExposition(meters)));
        let mut text = String::new();
        actors::metrics::encode(&mut text, &registry).unwrap();
        for line in [
            "stampede_http_requests_total{route=\"/v1/orders\",method=\"POST\",status=\"201\"} 1",
            "stampede_http_requests_total{route=\"/v1/orders\",method=\"GET\",status=\"200\"} 1",
            "stampede_http_requests_total{route=\"/v1/orders\",method=\"other\",status=\"other\"} 1",
            "stampede_http_requests_total{route=\"other\",method=\"GET\",status=\"404\"} 1",
            "stampede_http_request_duration_seconds_count{route=\"/v1/orders\"} 3",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("17\""), "{text}");
    }
}

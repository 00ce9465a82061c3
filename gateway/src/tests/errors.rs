//! What every error looks like, wherever it comes from.

use actix_web::{
    App, HttpResponse,
    error::ErrorBadRequest,
    http::Method,
    middleware::from_fn,
    test::{self, TestRequest},
    web,
};

use super::{post, request, send};
use crate::edge::edge;

#[actix_web::test]
async fn what_is_not_there_is_a_problem_whatever_the_client_accepts() {
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/orders/",
        "/metrics/",
        "/%00",
        "/v1/orders/1/ship",
    ] {
        let request = request(Method::GET, path).insert_header(("accept", "text/html"));
        send(request).await.expect_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    for (method, path, allow) in [
        (Method::DELETE, "/v1/products", "GET, HEAD, POST, OPTIONS"),
        (Method::PUT, "/v1/products/7", "GET, HEAD, PATCH, OPTIONS"),
        (Method::GET, "/v1/auth/login", "POST, OPTIONS"),
        (Method::HEAD, "/v1/auth/login", "POST, OPTIONS"),
        (Method::TRACE, "/healthz", "GET, HEAD, OPTIONS"),
        (
            Method::from_bytes(b"BREW").unwrap(),
            "/v1/orders",
            "GET, HEAD, POST, OPTIONS",
        ),
    ] {
        let answer = send(request(method.clone(), path)).await;
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        if method == Method::HEAD {
            assert_eq!((answer.status.as_u16(), answer.body.len()), (405, 0));
        } else {
            answer.expect_problem(405, "method_not_allowed");
        }
    }
}

#[actix_web::test]
async fn options_tells_the_methods_of_a_path() {
    let answer = send(request(Method::OPTIONS, "/v1/orders")).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    send(request(Method::OPTIONS, "/v1/nothing"))
        .await
        .expect_problem(404, "not_found");
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let get = send(request(Method::GET, "/openapi.json")).await;
    let head = send(request(Method::HEAD, "/openapi.json")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(
        send(request(Method::HEAD, "/v1/nothing"))
            .await
            .status
            .as_u16(),
        404
    );
}

#[actix_web::test]
async fn ids_that_cannot_be_are_not_there() {
    for id in [
        "0",
        "-1",
        "x",
        "1.0",
        "01",
        "%31x",
        "9007199254740992",
        "18446744073709551616",
        " ",
    ] {
        let path = format!("/v1/products/{}", id.replace(' ', "%20"));
        send(request(Method::GET, &path))
            .await
            .expect_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn a_trace_id_is_the_callers_or_a_new_one() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = request(Method::GET, "/v1/nothing")
        .insert_header(("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")));
    let problem = send(traced).await.expect_problem(404, "not_found");
    assert_eq!(problem["trace_id"], TRACE);

    let untraced =
        async || send(request(Method::GET, "/v1/nothing")).await.json()["trace_id"].clone();
    let (first, second) = (untraced().await, untraced().await);
    assert_ne!(first, second);
    assert_eq!(first.as_str().unwrap().len(), 32);
}

#[actix_web::test]
async fn a_401_says_what_is_asked_for() {
    for authorization in [None, Some("Basic dTpw"), Some("Bearer")] {
        let mut asked =
            request(Method::GET, "/v1/auth/me").insert_header(("cookie", "Authorization=token"));
        if let Some(authorization) = authorization {
            asked = asked.insert_header(("authorization", authorization));
        }
        let answer = send(asked).await;
        answer.expect_problem(401, "unauthorized");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
}

#[actix_web::test]
async fn a_fault_of_the_program_tells_nothing_of_its_inside() {
    // There is no shop behind this gateway, which is such a fault.
    let answer = post(
        "/v1/auth/login",
        r#"{"username":"anna","password":"secret"}"#,
    )
    .await;
    let problem = answer.expect_problem(500, "internal");
    assert_eq!(problem["retryable"], false);
    for inside in ["shop", "app_data", "Data", "configured"] {
        assert!(!answer.text().contains(inside), "{problem:#}");
    }
}

#[actix_web::test]
async fn a_handler_that_panics_and_errors_of_the_library_are_problems_too() {
    async fn panics() -> HttpResponse {
        std::panic::panic_any("on purpose")
    }
    let refuses = || async { Err::<HttpResponse, _>(ErrorBadRequest("inside")) };
    let app = App::new()
        .route("/panics", web::get().to(panics))
        .route("/refuses", web::get().to(refuses))
        .wrap(from_fn(edge));
    let app = test::init_service(app).await;

    let error = test::try_call_service(&app, TestRequest::with_uri("/panics").to_request())
        .await
        .unwrap_err();
    let answer = error.error_response();
    assert_eq!(answer.status().as_u16(), 500);
    assert_eq!(
        answer.headers().get("content-type").unwrap(),
        "application/problem+json"
    );

    let answer = test::call_service(&app, TestRequest::with_uri("/refuses").to_request()).await;
    assert_eq!(answer.status().as_u16(), 400);
    let problem: serde_json::Value = test::read_body_json(answer).await;
    assert_eq!(problem["code"], "bad_request");
    assert!(!problem.to_string().contains("inside"), "{problem:#}");
}

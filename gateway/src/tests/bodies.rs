//! The order in which a request is judged: who asks, what it is about, its body, and only then its content.

use std::{cell::Cell, pin::Pin, rc::Rc};

use actix_web::{
    FromRequest,
    dev::Payload,
    error::PayloadError,
    http::Method,
    test::TestRequest,
    web::{Bytes, Data},
};
use futures::{Stream, StreamExt, stream};

use super::{post, request, send};
use crate::{
    Config,
    dto::auth::Login,
    edge::Edge,
    input::Body,
    problem::{Code, Problem},
};

const LOGIN: &str = "/v1/auth/login";
/// The limit of a body, 256 KiB.
const LIMIT: usize = 262_144;

#[actix_web::test]
async fn a_stranger_is_told_nothing_about_the_body() {
    for (path, body) in [
        ("/v1/orders", "{"),
        ("/v1/orders", r#"{"lines":[]}"#),
        ("/v1/products", ""),
        ("/v1/products/x/stock", "{}"),
        ("/v1/orders/x/cancel", ""),
        ("/v1/orders?limit=0", ""),
    ] {
        post(path, body).await.expect_problem(401, "unauthorized");
    }
    let unread = request(Method::POST, "/v1/orders").set_payload(vec![b' '; LIMIT + 1]);
    send(unread).await.expect_problem(401, "unauthorized");
}

#[actix_web::test]
async fn a_body_is_judged_by_type_size_encoding_syntax_and_content_in_this_order() {
    let with_type = |media_type: &'static str, body: Vec<u8>| {
        let request = request(Method::POST, LOGIN).insert_header(("content-type", media_type));
        send(request.set_payload(body))
    };
    let huge = vec![0xff; LIMIT + 1];
    with_type("text/plain", huge.clone())
        .await
        .expect_problem(415, "unsupported_media_type");
    let untyped = request(Method::POST, LOGIN).set_payload("{}");
    send(untyped)
        .await
        .expect_problem(415, "unsupported_media_type");
    with_type("application/json", huge)
        .await
        .expect_problem(413, "body_too_large");
    with_type("application/json", b"{\xff".to_vec())
        .await
        .expect_problem(400, "invalid_utf8");
    let problem = post(LOGIN, "{\n  \"username\" 1")
        .await
        .expect_problem(400, "invalid_json");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("line 2, column 14"),
        "{problem:#}"
    );
    post(LOGIN, "").await.expect_problem(400, "invalid_json");

    let problem = post(LOGIN, r#"{"username":1,"passwort":"x"}"#)
        .await
        .expect_problem(422, "validation_failed");
    let places: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(places, ["/username", "/password", "/passwort"]);
}

#[actix_web::test]
async fn a_body_as_large_as_the_limit_is_read() {
    let mut body = br#"{"username":1}"#.to_vec();
    body.resize(LIMIT, b' ');
    let exact = request(Method::POST, LOGIN)
        .insert_header(("content-type", "application/json"))
        .set_payload(body);
    send(exact).await.expect_problem(422, "validation_failed");
}

/// What becomes of a body that arrives in these chunks without a length said before, and how many of them were read.
async fn chunked(chunks: usize, chunk: &'static [u8]) -> (Result<Body<Login>, Problem>, usize) {
    let read = Rc::new(Cell::new(0));
    let count = Rc::clone(&read);
    let body = stream::iter(0..chunks).map(move |_| {
        count.set(count.get() + 1);
        Ok::<_, PayloadError>(Bytes::from_static(chunk))
    });
    let body: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(body);
    let mut payload = Payload::Stream { payload: body };
    let request = TestRequest::default()
        .insert_header(("content-type", "application/json"))
        .app_data(Data::new(Edge::new(Config::default())))
        .to_http_request();
    let result = Body::<Login>::from_request(&request, &mut payload).await;
    (result, read.get())
}

#[actix_web::test]
async fn a_chunked_body_is_not_read_beyond_the_limit() {
    let (result, read) = chunked(usize::MAX, &[b' '; 65_536]).await;
    assert_eq!(result.err().unwrap().code(), Code::BodyTooLarge);
    assert_eq!(read, 5);
}

#[actix_web::test]
async fn a_body_is_put_together_from_its_chunks() {
    let (result, _) = chunked(3, b"[1,2").await;
    assert_eq!(result.err().unwrap().code(), Code::InvalidJson);
    let (result, _) = chunked(1, br#"{"username":"anna","password":"secret"}"#).await;
    assert_eq!(result.unwrap().0.username, "anna");
    let (result, _) = chunked(0, b"").await;
    assert_eq!(result.err().unwrap().code(), Code::InvalidJson);
}

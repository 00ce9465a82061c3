//! Bodies that are not what they should be as a whole.

use reqwest::{Method, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Counter;
use crate::harness::{Answer, Api};

/// The most bytes a body may have.
const BODY_MAX: usize = 256 * 1024;

async fn post_bytes(buyer: &Api, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let mut request = buyer.request(Method::POST, "/v1/orders");
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    buyer.send(request.body(body.into())).await
}

async fn post_json_bytes(buyer: &Api, body: impl Into<Vec<u8>>) -> Answer {
    post_bytes(buyer, Some("application/json"), body).await
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let counter = Counter::open().await;
    for body in [
        "",
        " ",
        "{",
        "lines",
        "{\"lines\":[}",
        "{\"lines\":[]}}",
        "{'lines':[]}",
        "NaN",
    ] {
        post_json_bytes(&counter.anna, body)
            .await
            .expect_problem(400, "invalid_json");
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    post_json_bytes(&counter.anna, deep)
        .await
        .expect_any_problem();
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_400() {
    let counter = Counter::open().await;
    let in_a_text = b"{\"lines\":[],\"note\":\"\xff\xfe\"}".to_vec();
    let in_a_name = b"{\"l\xc3ines\":[]}".to_vec();
    for body in [in_a_text, in_a_name] {
        post_json_bytes(&counter.anna, body)
            .await
            .expect_problem(400, "invalid_utf8");
    }
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_body_of_another_media_type_is_415() {
    let counter = Counter::open().await;
    let body = format!(
        "{{\"lines\":[{{\"product_id\":{},\"quantity\":1}}]}}",
        counter.lantern
    );
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("nonsense"),
    ] {
        let answer = post_bytes(&counter.anna, content_type, body.clone()).await;
        answer.expect_problem(415, "unsupported_media_type");
    }
    post_bytes(&counter.anna, Some("application/json; charset=utf-8"), body)
        .await
        .expect_status(201);
    counter.expect_carries_on(1).await;
}

#[tokio::test]
async fn a_body_over_256_kib_is_413_and_one_of_just_so_much_is_read() {
    let counter = Counter::open().await;
    let order = format!(
        "{{\"lines\":[{{\"product_id\":{},\"quantity\":1}}]}}",
        counter.lantern
    );
    let padded_to = |length: usize| format!("{order}{}", " ".repeat(length - order.len()));
    post_json_bytes(&counter.anna, padded_to(BODY_MAX))
        .await
        .expect_status(201);
    post_json_bytes(&counter.anna, padded_to(BODY_MAX + 1))
        .await
        .expect_problem(413, "body_too_large");

    let chunked = post_in_chunks(&counter.anna, &padded_to(BODY_MAX + 1)).await;
    assert!(
        chunked.starts_with("HTTP/1.1 413 ") && chunked.contains("body_too_large"),
        "{chunked}"
    );
    counter.expect_carries_on(1).await;
}

/// Sends a body that does not tell its length, and returns the raw answer.
async fn post_in_chunks(buyer: &Api, body: &str) -> String {
    const CHUNK: usize = 16 * 1024;
    let address = Url::parse(&buyer.base_url())
        .unwrap()
        .socket_addrs(|| None)
        .unwrap()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nHost: stampede\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        buyer.token()
    );
    let mut message = head.into_bytes();
    for chunk in body.as_bytes().chunks(CHUNK) {
        message.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        message.extend_from_slice(chunk);
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"0\r\n\r\n");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(&message).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

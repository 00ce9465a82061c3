//! The old demo's routes: their own form of errors, and their leniency.

use actix_web::http::Method;

use super::{post, request, send};

#[actix_web::test]
async fn errors_have_the_old_form() {
    for path in [
        "/auth/nothing",
        "/admin",
        "/product",
        "/product/1/2",
        "/order",
        "/order/1",
    ] {
        send(request(Method::GET, path))
            .await
            .expect_legacy_error(404);
    }
    let answer = send(request(Method::DELETE, "/product/")).await;
    answer.expect_legacy_error(405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    post("/auth/login", "{").await.expect_legacy_error(400);
    post("/auth/login", "\"\u{fffd}")
        .await
        .expect_legacy_error(400);
    post("/auth/login", &" ".repeat(262_145))
        .await
        .expect_legacy_error(413);
    post("/auth/register", r#"{"username":"anna","password":"x"}"#)
        .await
        .expect_legacy_error(500);
}

#[actix_web::test]
async fn one_line_says_everything_that_is_wrong() {
    let answer = post(
        "/auth/register",
        r#"{"username":"a b","email":"nobody","password":""}"#,
    )
    .await;
    let error = answer.expect_legacy_error(422);
    for place in ["/username", "/email", "/password"] {
        assert!(error.contains(place), "{error}");
    }
}

#[actix_web::test]
async fn the_cookie_is_asked_for_first() {
    for (method, path) in [
        (Method::GET, "/product/"),
        (Method::GET, "/product/1"),
        (Method::POST, "/product/"),
        (Method::POST, "/order/"),
        (Method::POST, "/admin/register"),
    ] {
        let with_bearer = request(method, path).insert_header(("authorization", "Bearer token"));
        let answer = send(with_bearer).await;
        answer.expect_legacy_error(401);
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[actix_web::test]
async fn any_media_type_and_unknown_fields_are_taken() {
    // 500 is as far as a gateway without a shop comes.
    for body in [
        r#"{"username":"anna","password":"x","email":"","age":7}"#,
        r#"{"username":"anna","password":"x","email":null}"#,
        r#"{"username":"anna","password":"x","email":"anna@example.com"}"#,
    ] {
        let untyped = request(Method::POST, "/auth/register").set_payload(body);
        send(untyped).await.expect_legacy_error(500);
    }
}

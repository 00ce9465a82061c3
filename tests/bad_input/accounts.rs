//! Accounts that cannot be.

use serde_json::json;

use super::Counter;
use crate::harness::PASSWORD;

#[tokio::test]
async fn an_account_is_refused_at_the_field() {
    let counter = Counter::open().await;
    let good = json!({"username": "ben", "email": "ben@example.com", "password": PASSWORD});
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("be\u{0}n")),
        ("username", json!("ben\n")),
        ("username", json!("\u{1b}[31mben")),
        ("username", json!("ben\u{7f}")),
        ("username", json!("b".repeat(10_000))),
        ("username", json!(7)),
        ("email", json!("ben@example.com\r\nBcc: all@example.com")),
        ("email", json!(["ben@example.com"])),
        ("password", json!("")),
        ("password", json!(null)),
        ("role", json!("admin")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = counter
            .shop
            .visitor()
            .post("/v1/auth/register", &body)
            .await;
        answer.expect_problem_at(422, "validation_failed", &format!("/{field}"));
    }
    counter
        .shop
        .visitor()
        .post("/v1/auth/register", &good)
        .await
        .expect_status(201);
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_login_with_control_characters_or_missing_fields_is_refused_and_told_nothing() {
    let counter = Counter::open().await;
    let visitor = counter.shop.visitor();
    let missing = visitor
        .post("/v1/auth/login", &json!({"username": "anna"}))
        .await;
    missing.expect_problem_at(422, "validation_failed", "/password");
    for username in ["an\u{0}na", "anna' or '1'='1", "", "\u{202e}anna"] {
        let answer = visitor.login(username, PASSWORD).await;
        assert!(matches!(answer.status(), 401 | 422), "{}", answer.told());
        answer.expect_any_problem();
    }
    for refused in [
        visitor.login("anna", "wrong").await,
        visitor.login("nobody", "wrong").await,
    ] {
        let problem = refused.expect_problem(401, "invalid_credentials");
        assert!(
            !problem["detail"].as_str().unwrap().contains("nobody"),
            "{problem:#}"
        );
    }
    counter.expect_carries_on(0).await;
}

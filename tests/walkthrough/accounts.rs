//! Accounts and tokens.

use serde_json::json;

use crate::harness::{Api, PASSWORD, Shop};

#[tokio::test]
async fn a_user_is_made_once_and_is_told_who_they_are() {
    let shop = Shop::open().await;
    let visitor = shop.visitor();
    let user = visitor.register("anna").await.expect_status(201).json();
    assert_eq!(
        (&user["username"], &user["email"]),
        (&json!("anna"), &json!("anna@example.com"))
    );
    assert!(
        user["role"].is_string() && user["created_at"].is_string(),
        "{user:#}"
    );
    assert!(!user.to_string().contains("password"), "{user:#}");
    visitor
        .register("anna")
        .await
        .expect_problem(409, "username_taken");

    let anna = visitor.logged_in("anna", PASSWORD).await;
    assert_eq!(
        anna.get("/v1/auth/me").await.expect_status(200).json(),
        user
    );
    visitor
        .login("anna", "not her password")
        .await
        .expect_problem(401, "invalid_credentials");
    visitor
        .login("nobody", PASSWORD)
        .await
        .expect_problem(401, "invalid_credentials");
    visitor
        .get("/v1/auth/me")
        .await
        .expect_problem(401, "unauthorized");
    let admin = shop
        .admin()
        .get("/v1/auth/me")
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (&admin["username"], &admin["role"]),
        (&json!("admin"), &json!("admin"))
    );
    assert_ne!(user["role"], admin["role"]);
}

#[tokio::test]
async fn a_login_gives_a_bearer_token_for_a_quarter_of_an_hour() {
    let shop = Shop::open().await;
    shop.visitor().register("anna").await.expect_status(201);
    let tokens = shop
        .visitor()
        .login("anna", PASSWORD)
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        tokens["token_type"]
            .as_str()
            .map(str::to_lowercase)
            .as_deref(),
        Some("bearer")
    );
    assert_eq!(tokens["expires_in"], 15 * 60);
    assert!(tokens["refresh_token"].is_string());
}

#[tokio::test]
async fn refresh_tokens_rotate_and_the_reuse_of_one_revokes_its_family() {
    let shop = Shop::open().await;
    let visitor = shop.visitor();
    visitor.register("anna").await.expect_status(201);
    let first = refresh_token_of_login(visitor).await;
    let of_another_login = refresh_token_of_login(visitor).await;

    let renewed = visitor.refresh(&first).await.expect_status(200).json();
    let second = renewed["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let access_token = renewed["access_token"].as_str().unwrap();
    visitor
        .with_token(access_token)
        .get("/v1/auth/me")
        .await
        .expect_status(200);

    visitor
        .refresh(&first)
        .await
        .expect_problem(401, "invalid_refresh_token");
    visitor
        .refresh(&second)
        .await
        .expect_problem(401, "invalid_refresh_token");
    visitor.refresh(&of_another_login).await.expect_status(200);
    visitor
        .refresh("no such token")
        .await
        .expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn logging_out_ends_the_refresh_token() {
    let shop = Shop::open().await;
    let visitor = shop.visitor();
    visitor.register("anna").await.expect_status(201);
    let refresh_token = refresh_token_of_login(visitor).await;
    visitor
        .post("/v1/auth/logout", &json!({"refresh_token": refresh_token}))
        .await
        .expect_status(204);
    visitor
        .refresh(&refresh_token)
        .await
        .expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let mut shop = Shop::open().await;
    let anna = shop.customer("anna").await;
    let refresh_token = {
        let tokens = shop
            .visitor()
            .login("anna", PASSWORD)
            .await
            .expect_status(200)
            .json();
        tokens["refresh_token"].as_str().unwrap().to_owned()
    };
    for killed in [true, false] {
        if killed {
            shop.kill_nine();
        } else {
            shop.terminate().await;
        }
        shop.restart().await;
        let me = anna.get("/v1/auth/me").await.expect_status(200);
        assert_eq!(me.id(), anna.user_id());
    }
    shop.visitor()
        .refresh(&refresh_token)
        .await
        .expect_status(200);
}

async fn refresh_token_of_login(visitor: &Api) -> String {
    let tokens = visitor
        .login("anna", PASSWORD)
        .await
        .expect_status(200)
        .json();
    tokens["refresh_token"]
        .as_str()
        .expect("login gives a refresh token")
        .to_owned()
}

//! Tokens that somebody made up.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use super::Counter;
use crate::harness::{PASSWORD, Shop};

/// The three parts of a JSON Web Token, the first two decoded.
struct Token {
    header: Value,
    claims: Value,
    signature: String,
}

impl Token {
    fn read(text: &str) -> Self {
        let parts: Vec<&str> = text.split('.').collect();
        let decoded = |part: &str| {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        Self {
            header: decoded(parts[0]),
            claims: decoded(parts[1]),
            signature: parts[2].to_owned(),
        }
    }

    fn unsigned(&self) -> String {
        let encoded = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}", encoded(&self.header), encoded(&self.claims))
    }

    /// With the signature it came with, whatever has been changed since.
    fn with_old_signature(&self) -> String {
        format!("{}.{}", self.unsigned(), self.signature)
    }

    fn signed_with(&self, key: &SigningKey) -> String {
        let unsigned = self.unsigned();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(unsigned.as_bytes()).to_bytes());
        format!("{unsigned}.{signature}")
    }
}

fn signing_key_of(shop: &Shop) -> SigningKey {
    let pem = fs::read_to_string(shop.data_dir().join("signing-key.pem")).unwrap();
    SigningKey::from_pkcs8_pem(&pem).unwrap()
}

#[tokio::test]
async fn a_forged_token_is_401() {
    let counter = Counter::open().await;
    let real = || Token::read(counter.anna.token());
    let another_key = SigningKey::from_bytes(&[7; 32]);

    let mut promoted = real();
    promoted.claims["role"] = json!("admin");
    let mut without_algorithm = real();
    without_algorithm.header["alg"] = json!("none");
    let mut with_a_shared_secret = real();
    with_a_shared_secret.header["alg"] = json!("HS256");
    let mut oddly_signed = real();
    oddly_signed.signature = "AAAA".to_owned();
    for forged in [
        real().signed_with(&another_key),
        promoted.with_old_signature(),
        promoted.signed_with(&another_key),
        format!("{}.", without_algorithm.unsigned()),
        without_algorithm.with_old_signature(),
        with_a_shared_secret.with_old_signature(),
        oddly_signed.with_old_signature(),
        format!("{}.", real().unsigned()),
        real().unsigned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "x".repeat(5_000),
    ] {
        let forger = counter.shop.visitor().with_token(&forged);
        forger
            .get("/v1/auth/me")
            .await
            .expect_problem(401, "unauthorized");
        forger
            .offer("FORGED", 1)
            .await
            .expect_problem(401, "unauthorized");
    }
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn an_expired_token_is_401_and_says_so() {
    let counter = Counter::open().await;
    let key = signing_key_of(&counter.shop);
    let mut token = Token::read(counter.anna.token());
    // With this very key a token is good; so the next one is refused for its time alone.
    let resigned = counter.shop.visitor().with_token(&token.signed_with(&key));
    assert_eq!(
        resigned.get("/v1/auth/me").await.expect_status(200).id(),
        counter.anna.user_id()
    );

    let hour = 3_600;
    for time in ["iat", "nbf", "exp"] {
        if let Some(seconds) = token.claims[time].as_i64() {
            token.claims[time] = json!(seconds - hour);
        }
    }
    let late = counter.shop.visitor().with_token(&token.signed_with(&key));
    late.get("/v1/auth/me")
        .await
        .expect_problem(401, "token_expired");
    late.offer("LATE", 1)
        .await
        .expect_problem(401, "token_expired");
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn an_authorization_of_another_kind_is_401() {
    let counter = Counter::open().await;
    let visitor = counter.shop.visitor();
    let tokens = visitor
        .login("anna", PASSWORD)
        .await
        .expect_status(200)
        .json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for authorization in [
        format!("Basic {}", counter.anna.token()),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        counter.anna.token().to_owned(),
        format!("Bearer {refresh_token}"),
    ] {
        let request = visitor
            .request(Method::GET, "/v1/auth/me")
            .header("Authorization", &authorization);
        visitor
            .send(request)
            .await
            .expect_problem(401, "unauthorized");
    }
    counter.expect_carries_on(0).await;
}

//! Nothing can be made to go wrong in a shop that does not allow it.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Fault, Setup, Shop, only_with};

#[tokio::test]
async fn a_shop_that_does_not_allow_faults_takes_none() {
    only_with!(
        Embedded,
        "the switch of a cluster is a key of its configuration"
    );
    let shop = Shop::open_with(Setup {
        faults_forbidden: true,
        ..Setup::default()
    })
    .await;
    assert_eq!(shop.admin().system().await["faults_allowed"], false);
    let exit = json!({"kind": "exit", "after_ms": 0});
    let refused = shop.admin().post("/v1/system/faults", &exit).await;
    assert_eq!(
        refused.expect_status(403).json()["code"],
        "faults_not_allowed"
    );
    let clear = shop.admin().request(Method::DELETE, "/v1/system/faults");
    let refused = shop.admin().send(clear).await;
    assert_eq!(
        refused.expect_status(403).json()["code"],
        "faults_not_allowed"
    );
    shop.admin().product("LANTERN", 1).await;
}

#[tokio::test]
async fn what_is_in_force_shows_until_it_is_ended_and_only_an_admin_can_do_either() {
    let shop = Shop::open().await;
    let anna = shop.customer("anna").await;
    let body = json!({"kind": "panic", "actor": "product", "matching": "Nothing"});
    anna.post("/v1/system/faults", &body)
        .await
        .expect_status(403);
    shop.admin()
        .inject(&Fault::panic_in("product").matching("Nothing"))
        .await;
    let system = shop.admin().system().await;
    assert_eq!(system["faults_allowed"], true);
    let node = &system["nodes"][0];
    assert_eq!(node["faults_allowed"], true);
    let unknown = json!({"kind": "exit", "after_ms": 0, "node": "nobody"});
    let refused = shop.admin().post("/v1/system/faults", &unknown).await;
    refused.expect_status(404);
    shop.admin().clear_faults().await;
}

//! What an operator does: start, look at its health, load the demo, read one order's history.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;

use crate::harness::{ADMIN_PASSWORD, Order, Outcome, Setup, Shop, stampede};

#[tokio::test]
async fn a_running_shop_is_healthy_and_ready_and_tells_the_admin_about_itself() {
    let shop = Shop::open().await;
    shop.visitor().get("/healthz").await.expect_status(200);
    shop.visitor().get("/readyz").await.expect_status(200);
    let system = shop.admin().system().await;
    assert_eq!(
        system["parked"].as_array().map(Vec::len),
        Some(0),
        "{system:#}"
    );
    assert!(
        system["shards"]
            .as_array()
            .is_some_and(|shards| !shards.is_empty()),
        "{system:#}"
    );
}

#[tokio::test]
async fn without_a_given_password_the_first_start_prints_one_and_no_later_start_does() {
    let mut shop = Shop::open_with(Setup {
        generated_password: true,
        ..Setup::default()
    })
    .await;
    let printed = shop.stdout();
    let mut passwords = BTreeSet::new();
    for word in printed
        .split_whitespace()
        .filter(|word| word.len() >= 8 && !word.contains('/'))
    {
        if shop.visitor().login("admin", word).await.status() == 200 {
            passwords.insert(word.to_owned());
        }
    }
    assert_eq!(
        passwords.len(),
        1,
        "the admin's password is a word of what was printed:\n{printed}"
    );

    shop.terminate().await;
    shop.restart().await;
    let password = passwords.first().unwrap();
    shop.visitor()
        .login("admin", password)
        .await
        .expect_status(200);
    assert!(
        !shop.stdout().contains(password) && !shop.stderr().contains(password),
        "it is printed once"
    );
}

#[tokio::test]
async fn a_password_in_the_environment_counts_at_the_first_start_only_and_is_never_printed() {
    let mut shop = Shop::open().await;
    shop.terminate().await;
    shop.restart().await;
    shop.visitor()
        .login("admin", ADMIN_PASSWORD)
        .await
        .expect_status(200);
    assert!(!shop.stdout().contains(ADMIN_PASSWORD) && !shop.stderr().contains(ADMIN_PASSWORD));
}

#[tokio::test]
async fn the_demo_loads_a_catalogue_through_the_api() {
    let shop = Shop::open().await;
    let password_file = shop.home().join("admin-password");
    fs::write(&password_file, format!("{ADMIN_PASSWORD}\n")).unwrap();
    let base_url = shop.visitor().base_url();
    let arguments = ["demo", "--url", &base_url, "--admin-password-file"].map(OsStr::new);
    let outcome = stampede(arguments.into_iter().chain([password_file.as_os_str()])).await;
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert!(!outcome.text().contains(ADMIN_PASSWORD), "{outcome:?}");
    let catalogue = shop.visitor().all("/v1/products").await;
    assert!(!catalogue.is_empty());
    shop.audit().await;
}

#[tokio::test]
async fn replay_tells_the_history_of_one_order_beside_the_running_shop_and_after_it() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order_id = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();

    for open in [true, false] {
        if !open {
            shop.terminate().await;
        }
        let history = replay(&shop, order_id, &[]).await;
        let told = history.stdout.to_lowercase();
        assert_eq!(history.exit_code, 0, "{history:?}");
        let (created, confirmed) = (told.find("created"), told.find("confirmed"));
        assert!(created.is_some() && created < confirmed, "{history:?}");
        let beginning = replay(&shop, order_id, &["--at", "1"]).await;
        assert_eq!(beginning.exit_code, 0, "{beginning:?}");
        assert!(
            beginning.stdout.to_lowercase().contains("created"),
            "{beginning:?}"
        );
        assert_ne!(beginning.stdout, history.stdout);
    }
    let unknown = replay(&shop, order_id + 1, &[]).await;
    assert_ne!(unknown.exit_code, 0, "{unknown:?}");
}

async fn replay(shop: &Shop, order_id: u64, options: &[&str]) -> Outcome {
    let (order_id, store) = (order_id.to_string(), shop.store());
    let command = ["replay", "order", &order_id].map(OsStr::new);
    let store = store.iter().map(OsString::as_os_str);
    let options = options.iter().map(OsStr::new);
    stampede(command.into_iter().chain(store).chain(options)).await
}

//! What the shop says about its own API.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Shop};

/// Every route of this issue that a stranger may use, with its parameters made nameless.
const OPEN_ROUTES: [&str; 9] = [
    "get /healthz",
    "get /readyz",
    "get /v1/products",
    "get /v1/products/{}",
    "get /openapi.json",
    "post /v1/auth/login",
    "post /v1/auth/logout",
    "post /v1/auth/refresh",
    "post /v1/auth/register",
];

/// Every route of this issue that asks who is there.
const GUARDED_ROUTES: [&str; 14] = [
    "get /v1/auth/me",
    "get /v1/logs",
    "get /v1/notifications",
    "get /v1/orders",
    "get /v1/orders/{}",
    "get /v1/orders/{}/events",
    "get /v1/system",
    "patch /v1/products/{}",
    "post /v1/orders",
    "post /v1/orders/{}/cancel",
    "post /v1/products",
    "post /v1/products/{}/stock",
    "post /v1/system/parked/{}/discard",
    "post /v1/system/parked/{}/retry",
];

/// One operation of the OpenAPI document.
struct Operation {
    method: Method,
    path: String,
    guarded: bool,
}

impl Operation {
    fn route(&self) -> String {
        let nameless: Vec<&str> = self
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part })
            .collect();
        format!(
            "{} {}",
            self.method.as_str().to_lowercase(),
            nameless.join("/")
        )
    }

    /// The path of some resource.
    fn example(&self) -> String {
        let parts: Vec<&str> = self
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "1" } else { part })
            .collect();
        parts.join("/")
    }
}

async fn documented_operations(visitor: &Api) -> Vec<Operation> {
    let document = visitor.get("/openapi.json").await.expect_status(200).json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"]
        .as_object()
        .expect("the document has paths")
    {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if !["GET", "POST", "PATCH", "PUT", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let security = operation.get("security").unwrap_or(&document["security"]);
            let guarded = security
                .as_array()
                .is_some_and(|ways| !ways.is_empty() && !ways.contains(&json!({})));
            operations.push(Operation {
                method,
                path: path.clone(),
                guarded,
            });
        }
    }
    operations
}

#[tokio::test]
async fn the_api_document_lists_every_route_and_which_of_them_ask_for_a_token() {
    let shop = Shop::open().await;
    let operations = documented_operations(shop.visitor()).await;
    let routes = |guarded| -> BTreeSet<String> {
        operations
            .iter()
            .filter(|operation| operation.guarded == guarded)
            .map(Operation::route)
            .collect()
    };
    let (open, guarded) = (routes(false), routes(true));
    // The document need not list itself.
    let missing = |expected: &[&str], found: &BTreeSet<String>| -> Vec<String> {
        let documented = |route: &&&str| **route == "get /openapi.json" || found.contains(**route);
        expected
            .iter()
            .filter(|route| !documented(route))
            .map(|route| (*route).to_owned())
            .collect()
    };
    assert_eq!(
        missing(&OPEN_ROUTES, &open),
        Vec::<String>::new(),
        "open: {open:?}"
    );
    assert_eq!(
        missing(&GUARDED_ROUTES, &guarded),
        Vec::<String>::new(),
        "guarded: {guarded:?}"
    );
    for later in ["ship", "deliver", "refund"] {
        assert!(
            !guarded.contains(&format!("post /v1/orders/{{}}/{later}")),
            "{later} comes with a later issue"
        );
    }
}

#[tokio::test]
async fn every_documented_operation_that_asks_for_a_token_answers_401_without_one() {
    let shop = Shop::open().await;
    let visitor = shop.visitor();
    for operation in documented_operations(visitor)
        .await
        .iter()
        .filter(|operation| operation.guarded)
    {
        let mut request = visitor.request(operation.method.clone(), &operation.example());
        if [Method::POST, Method::PATCH].contains(&operation.method) {
            request = request.json(&json!({}));
        }
        let answer = visitor.send(request).await.expect_status(401);
        if operation.path.starts_with("/v1/") {
            answer.expect_problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn the_api_pages_are_html_and_load_nothing_from_another_host() {
    let shop = Shop::open().await;
    let visitor = shop.visitor();
    let page = visitor.get("/docs").await.expect_status(200);
    assert!(
        page.expect_header("Content-Type").starts_with("text/html"),
        "{}",
        page.told()
    );
    let resources = resources_of(&page.text());
    assert!(!resources.is_empty(), "{}", page.told());
    let host = page.url().join("/").unwrap();
    for resource in resources {
        let url = page.url().join(&resource).unwrap();
        if url.scheme() == "data" {
            continue;
        }
        assert!(
            url.as_str().starts_with(host.as_str()),
            "{resource} is loaded from another host"
        );
        let loaded = visitor.get(url.path()).await.expect_status(200).text();
        assert!(
            !loaded.contains("petstore.swagger.io/v2/swagger.json"),
            "{resource} shows another API"
        );
    }
}

/// What the `src` attributes, and the `href` attributes of `link` elements, of a page point to.
fn resources_of(html: &str) -> Vec<String> {
    let mut resources = Vec::new();
    for tag in html.split('<').skip(1) {
        let attribute = if tag.starts_with("link") {
            "href=\""
        } else {
            "src=\""
        };
        if let Some((_, value)) = tag.split_once(attribute) {
            resources.extend(value.split('"').next().map(str::to_owned));
        }
    }
    resources
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too_whatever_the_client_accepts() {
    let shop = Shop::open().await;
    let request = shop
        .visitor()
        .request(Method::GET, "/v1/nothing/here")
        .header("Accept", "text/html");
    let problem: Value = shop
        .visitor()
        .send(request)
        .await
        .expect_problem(404, "not_found");
    assert_eq!(problem["retryable"], false);
    let wrong_method = shop
        .visitor()
        .send(shop.visitor().request(Method::DELETE, "/v1/products"))
        .await;
    let problem = wrong_method.expect_any_problem();
    assert!(
        [404, 405].contains(&problem["status"].as_u64().unwrap()),
        "{problem:#}"
    );
}

//! The OpenAPI document says what is served, and what is served keeps what it says.

use std::{collections::BTreeSet, fs, path::PathBuf};

use actix_web::http::Method;
use actors::products::{NewProduct, ProductChange};
use serde_json::{Value, json};
use utoipa::openapi::{HttpMethod, path::Operation};

use super::{request, send};
use crate::{
    document::{asks_for_admin, asks_for_token, openapi, operations},
    dto,
    input::{FromBody, body::parse},
};

/// Every operation with its method and path.
fn all_operations() -> Vec<(Method, String, Operation)> {
    let mut document = openapi();
    let mut all = Vec::new();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let method = match method {
                HttpMethod::Get => Method::GET,
                HttpMethod::Post => Method::POST,
                HttpMethod::Patch => Method::PATCH,
                HttpMethod::Delete => Method::DELETE,
                _ => panic!("{path} has a method that no test knows"),
            };
            all.push((method, path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_document_is_the_reviewed_one() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut generated = serde_json::to_string_pretty(&openapi()).unwrap();
    generated.push('\n');
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        reviewed == generated,
        "the API has changed: look at it, and run this test with UPDATE_OPENAPI=1 to accept it"
    );
}

#[test]
fn every_operation_is_named_summarised_and_tagged() {
    let tags: BTreeSet<String> = openapi()
        .tags
        .unwrap()
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    let mut names = BTreeSet::new();
    for (method, path, operation) in all_operations() {
        let told = format!("{method} {path}");
        assert!(
            names.insert(operation.operation_id.clone().expect(&told)),
            "{told} has another's name"
        );
        assert!(
            operation.summary.is_some_and(|summary| !summary.is_empty()),
            "{told}"
        );
        assert!(
            operation.tags.unwrap().iter().all(|tag| tags.contains(tag)),
            "{told}"
        );
        assert!(!operation.responses.responses.is_empty(), "{told}");
    }
}

#[test]
fn every_answer_that_follows_from_what_an_operation_is_is_documented() {
    for (method, path, operation) in all_operations() {
        if path.starts_with("/v1/") {
            let told = format!("{method} {path}");
            let has = |status: &str| operation.responses.responses.contains_key(status);
            let takes_body = operation.request_body.is_some();
            assert!(has("500") && has("503"), "{told}");
            assert!(
                !takes_body || ["400", "413", "415", "422"].into_iter().all(has),
                "{told}"
            );
            assert!(!asks_for_token(&operation) || has("401"), "{told}");
            assert!(!asks_for_admin(&operation) || has("403"), "{told}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(openapi()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn parameters_in_paths_are_documented() {
    for (method, path, operation) in all_operations() {
        let parameters = serde_json::to_value(&operation.parameters).unwrap();
        let parameters = parameters.as_array().cloned().unwrap_or_default();
        let named: Vec<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let in_path: Vec<&str> = path
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        assert_eq!(in_path, named, "{method} {path}");
    }
}

#[actix_web::test]
async fn an_operation_answers_401_to_a_stranger_if_and_only_if_it_says_so() {
    for (method, path, operation) in all_operations() {
        let example = path.replace("{id}", "1").replace("{file}", "index.html");
        let answer = send(request(method.clone(), &example)).await;
        let is_refused = answer.status.as_u16() == 401;
        assert_eq!(
            is_refused,
            asks_for_token(&operation),
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[actix_web::test]
async fn every_documented_operation_is_served() {
    for (method, path, _) in all_operations() {
        let example = path.replace("{id}", "1").replace("{file}", "index.html");
        let status = send(request(method.clone(), &example))
            .await
            .status
            .as_u16();
        assert!(![404, 405].contains(&status), "{method} {path}: {status}");
    }
}

#[actix_web::test]
async fn the_served_document_is_this_one() {
    let answer = send(request(Method::GET, "/openapi.json")).await;
    assert_eq!(answer.json(), serde_json::to_value(openapi()).unwrap());
    let tag = answer.header("etag").unwrap().to_owned();
    let again =
        send(request(Method::GET, "/openapi.json").insert_header(("if-none-match", tag))).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

#[actix_web::test]
async fn the_pages_come_from_here_and_run_nothing_from_elsewhere() {
    let moved = send(request(Method::GET, "/docs")).await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (308, Some("/docs/"))
    );
    let page = send(request(Method::GET, "/docs/")).await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
        "{policy}"
    );
    assert!(
        !page.text().contains("<script>") && !page.text().contains("http"),
        "{}",
        page.text()
    );
    for (attribute, _) in page
        .text()
        .match_indices("src=\"")
        .chain(page.text().match_indices("href=\""))
    {
        let text = page.text();
        let (_, rest) = text[attribute..].split_once('"').unwrap();
        let file = rest.split_once('"').unwrap().0.trim_start_matches("./");
        let file = send(request(Method::GET, &format!("/docs/{file}"))).await;
        assert_eq!(file.status.as_u16(), 200);
        assert!(!file.text().contains("petstore.swagger.io/v2/swagger.json"));
    }
    let start = send(request(Method::GET, "/docs/swagger-initializer.js"))
        .await
        .text();
    assert!(
        start.contains("/openapi.json") && !start.contains("petstore"),
        "{start}"
    );
    for nothing in ["/docs/../Cargo.toml", "/docs/nothing.js", "/docs/a/b"] {
        send(request(Method::GET, nothing))
            .await
            .expect_problem(404, "not_found");
    }
}

/// What a route makes of a body: nothing wrong, or the places that are.
type Read = fn(&[u8]) -> Result<(), Vec<String>>;

fn read<T: FromBody>(body: &[u8]) -> Result<(), Vec<String>> {
    match parse::<T>(body) {
        Ok(_) => Ok(()),
        Err(problem) => Err(problem
            .faults()
            .iter()
            .map(|fault| fault.pointer.clone())
            .collect()),
    }
}

#[test]
fn what_is_read_is_what_is_documented() {
    let schemas: [(&str, Read); 11] = [
        ("Register", read::<dto::auth::Register>),
        ("Login", read::<dto::auth::Login>),
        ("Refresh", read::<dto::auth::Refresh>),
        ("NewProduct", read::<NewProduct>),
        ("ProductChange", read::<ProductChange>),
        ("StockChange", read::<dto::products::StockChange>),
        ("NewOrder", read::<dto::new_order::NewOrder>),
        ("LegacyRegister", read::<dto::legacy::Register>),
        ("LegacyRegisterAdmin", read::<dto::legacy::RegisterAdmin>),
        ("LegacyNewProduct", read::<dto::legacy::NewProduct>),
        ("LegacyNewOrder", read::<dto::legacy::NewOrder>),
    ];
    let document = serde_json::to_value(openapi()).unwrap();
    for (name, read) in schemas {
        let schema = &document["components"]["schemas"][name];
        let example = &schema["example"];
        assert_eq!(
            read(example.to_string().as_bytes()),
            Ok(()),
            "the example of {name}"
        );
        let properties = schema["properties"].as_object().unwrap();
        for property in properties.keys() {
            let pointer = format!("/{property}");
            let without = with(example, property, None);
            let is_required = schema["required"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(property)));
            let expected = if is_required {
                Err(vec![pointer.clone()])
            } else {
                Ok(())
            };
            assert_eq!(
                read(without.as_bytes()),
                expected,
                "{name} without {property}"
            );
            let wrong = with(example, property, Some(json!([{}])));
            assert_eq!(
                read(wrong.as_bytes()).map_err(|places| places[0].starts_with(&pointer)),
                Err(true),
                "{name}.{property}"
            );
        }
        let more = with(example, "unheard_of", Some(json!(1)));
        let is_strict = schema["additionalProperties"] == json!(false);
        let expected = if is_strict {
            Err(vec!["/unheard_of".to_owned()])
        } else {
            Ok(())
        };
        assert_eq!(read(more.as_bytes()), expected, "{name} with more");
        assert_eq!(is_strict, !name.starts_with("Legacy"), "{name}");
    }
}

/// The object with another value for that field, or without it.
fn with(object: &Value, name: &str, value: Option<Value>) -> String {
    let mut fields = object.as_object().unwrap().clone();
    fields.remove(name);
    fields.extend(value.map(|value| (name.to_owned(), value)));
    Value::Object(fields).to_string()
}

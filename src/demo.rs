//! `stampede demo`: loads the demo catalogue and demo users through the HTTP API.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::{admin::random_password, catalogue::PRODUCTS, output::say};

/// The demo users.
const USERS: [&str; 3] = ["ada", "grace", "linus"];

/// Load a demo catalogue and demo users into a running shop, through its HTTP API.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shop.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// A file with the password of the user `admin`.
    #[arg(long, value_name = "FILE")]
    admin_password_file: PathBuf,
}

/// Loads what is missing; what is there already stays as it is.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let file = &args.admin_password_file;
    let password = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let shop = Shop {
        client: Client::new(),
        url: args.url.trim_end_matches('/').to_owned(),
    };
    let token = shop.log_in("admin", password.trim_end()).await?;
    for (sku, name, description, cents, stock) in PRODUCTS {
        let product = json!({
            "sku": sku,
            "name": name,
            "description": description,
            "price": {"amount": cents, "currency": "EUR"},
            "stock": stock,
        });
        let response = shop.post("/v1/products", Some(&token), &product).await?;
        match response.status() {
            StatusCode::CREATED => {
                let product: Value = response.json().await?;
                say(format_args!(
                    "product {} {sku}: {stock} pieces",
                    product["id"]
                ));
            }
            StatusCode::CONFLICT => say(format_args!("product {sku} is there already")),
            _ => return Err(refusal("the product", response).await),
        }
    }
    for username in USERS {
        let password = random_password();
        let user = json!({
            "username": username,
            "email": format!("{username}@example.com"),
            "password": password,
        });
        let response = shop.post("/v1/auth/register", None, &user).await?;
        match response.status() {
            StatusCode::CREATED => say(format_args!("user {username}, password {password}")),
            StatusCode::CONFLICT => say(format_args!("user {username} is there already")),
            _ => return Err(refusal("the user", response).await),
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Shop {
    client: Client,
    url: String,
}

impl Shop {
    async fn log_in(&self, username: &str, password: &str) -> Result<String> {
        let credentials = json!({"username": username, "password": password});
        let response = self.post("/v1/auth/login", None, &credentials).await?;
        if !response.status().is_success() {
            return Err(refusal("the login", response).await);
        }
        let tokens: Value = response.json().await?;
        match tokens["access_token"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => bail!("{} does not answer like Stampede", self.url),
        }
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Response> {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request
            .send()
            .await
            .with_context(|| format!("{} cannot be reached", self.url))
    }
}

async fn refusal(what: &str, response: Response) -> anyhow::Error {
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("no details");
    anyhow::anyhow!("{what} was refused: {status}: {detail}")
}

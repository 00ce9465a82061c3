//! The shop as a client sees it: over HTTP, at an address that may change when a process is restarted.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The longest that a client waits for an answer: twice what an order waits for its outcome.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest that a client waits for a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// How long something that was not answered is left alone before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Where the shop is found now.
#[derive(Clone, Debug, Default)]
pub(super) struct Address(Arc<RwLock<String>>);

impl Address {
    /// The shop has moved.
    pub(super) fn set(&self, url: &str) {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        url.trim_end_matches('/').clone_into(&mut place);
    }

    /// Its URL.
    pub(super) fn get(&self) -> String {
        let place = self.0.read().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }
}

/// Somebody who speaks to the shop.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    address: Address,
    account: Option<Arc<Account>>,
}

/// Who it is.
struct Account {
    username: String,
    password: String,
    token: RwLock<String>,
}

/// An answer of the shop.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The stable code of a problem; the status where there is none.
    pub(super) fn code(&self) -> String {
        let code = self.body["code"].as_str();
        code.map_or_else(|| self.status.to_string(), str::to_owned)
    }

    /// Whether the same request may work later.
    pub(super) fn is_for_now(&self) -> bool {
        matches!(self.status, 408 | 429 | 503)
    }

    /// What it says, for people.
    pub(super) fn told(&self) -> String {
        let detail = self.body["detail"].as_str().unwrap_or("no details");
        format!("{} {}: {detail}", self.status, self.code())
    }
}

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            headers: &[],
        }
    }

    pub(super) fn post(path: &'a str, body: &'a Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }
}

impl Api {
    /// Somebody without an account.
    pub(super) fn visitor(address: Address) -> Result<Self> {
        let client = Client::builder()
            .timeout(ANSWER_TIME_MAX)
            .connect_timeout(CONNECT_TIME_MAX)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            address,
            account: None,
        })
    }

    /// Sends a request once.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}", self.address.get(), request.path);
        let mut sent = self.client.request(request.method.clone(), url);
        if let Some(body) = request.body {
            sent = sent.json(body);
        }
        for (name, value) in request.headers {
            sent = sent.header(*name, *value);
        }
        if let Some(account) = &self.account {
            sent = sent.bearer_auth(account.token());
        }
        let response = sent.send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        Ok(Answer {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    /// Sends a request until it is answered with something that does not pass.
    ///
    /// # Errors
    /// If that takes longer than `within`.
    pub(super) async fn insist(&self, request: &Request<'_>, within: Duration) -> Result<Answer> {
        let end = Instant::now() + within;
        loop {
            let failure = match self.send(request).await {
                Ok(answer) if answer.status == 401 && self.account.is_some() => {
                    self.log_in_again().await;
                    answer.told()
                }
                Ok(answer) if !answer.is_for_now() => return Ok(answer),
                Ok(answer) => answer.told(),
                Err(error) => format!("{:#}", anyhow::Error::from(error)),
            };
            if Instant::now() > end {
                let (method, path) = (&request.method, request.path);
                bail!("{method} {path} was not answered within {within:?}; at last: {failure}");
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// As [`insist`](Self::insist), for a reading.
    pub(super) async fn read(&self, path: &str, within: Duration) -> Result<Value> {
        let answer = self.insist(&Request::get(path), within).await?;
        if answer.status != 200 {
            bail!("GET {path}: {}", answer.told());
        }
        Ok(answer.body)
    }

    /// All items of a list, page by page.
    pub(super) async fn read_all(&self, path: &str, within: Duration) -> Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = format!("{path}{joint}limit=200{cursor}");
            let page = self.read(&page, within).await?;
            items.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) if page["has_more"] == true => cursor = format!("&cursor={next}"),
                _ => return Ok(items),
            }
        }
    }

    /// The same, with an account that exists.
    pub(super) async fn logged_in(
        &self,
        username: &str,
        password: &str,
        within: Duration,
    ) -> Result<Self> {
        let credentials = json!({"username": username, "password": password});
        let request = Request::post("/v1/auth/login", &credentials);
        let answer = self.insist(&request, within).await?;
        let token = answer.body["access_token"].as_str();
        let token =
            token.with_context(|| format!("{username} cannot log in: {}", answer.told()))?;
        let account = Account {
            username: username.to_owned(),
            password: password.to_owned(),
            token: RwLock::new(token.to_owned()),
        };
        Ok(Self {
            account: Some(Arc::new(account)),
            ..self.clone()
        })
    }

    /// Takes a new token in place of one that is no longer good; if that fails, the next refusal leads here again.
    pub(super) async fn log_in_again(&self) {
        let Some(account) = &self.account else { return };
        let credentials = json!({"username": account.username, "password": account.password});
        let request = Request::post("/v1/auth/login", &credentials);
        let visitor = Self {
            account: None,
            ..self.clone()
        };
        if let Ok(answer) = visitor.send(&request).await
            && let Some(token) = answer.body["access_token"].as_str()
        {
            let mut place = account
                .token
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            token.clone_into(&mut place);
        }
    }
}

impl Account {
    fn token(&self) -> String {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        token.clone()
    }
}

//! The shop as a client sees it: over HTTP, at an address that may change when a process is restarted.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
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
pub(crate) struct Address(Arc<RwLock<String>>);

impl Address {
    /// The shop has moved.
    pub(crate) fn set(&self, url: &str) {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        url.trim_end_matches('/').clone_into(&mut place);
    }

    /// Its URL.
    pub(crate) fn get(&self) -> String {
        let place = self.0.read().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }
}

/// Somebody who speaks to the shop.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    address: Address,
    account: Option<Arc<Account>>,
}

/// Who it is.
struct Account {
    username: String,
    password: String,
    tokens: RwLock<Tokens>,
}

/// What it shows.
struct Tokens {
    access: Arc<str>,
    /// Exchanged once for the next pair.
    refresh: String,
    /// When the next pair should be taken.
    stale_at: Instant,
}

impl Tokens {
    /// The tokens in the answer to a login or a refresh.
    fn of(answer: &Value) -> Option<Self> {
        let life = answer["expires_in"].as_u64().unwrap_or(0);
        Some(Self {
            access: answer["access_token"].as_str()?.into(),
            refresh: answer["refresh_token"].as_str()?.to_owned(),
            stale_at: Instant::now() + Duration::from_secs(life) / 2,
        })
    }
}

/// An answer of the shop.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    fn of(status: u16, body: &[u8]) -> Self {
        Self {
            status,
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    /// The stable code of a problem; the status where there is none.
    pub(crate) fn code(&self) -> String {
        let code = self.body["code"].as_str();
        code.map_or_else(|| self.status.to_string(), str::to_owned)
    }

    /// Whether the same request may work later.
    pub(crate) fn is_for_now(&self) -> bool {
        is_for_now(self.status)
    }

    /// What it says, for people.
    pub(crate) fn told(&self) -> String {
        let detail = self.body["detail"].as_str().unwrap_or("no details");
        format!("{} {}: {detail}", self.status, self.code())
    }
}

/// Whether the same request may work later when it was answered with this status.
pub(crate) fn is_for_now(status: u16) -> bool {
    matches!(status, 408 | 429 | 503)
}

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            headers: &[],
        }
    }

    pub(crate) fn post(path: &'a str, body: &'a Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }
}

impl Api {
    /// Somebody without an account.
    pub(crate) fn visitor(address: Address) -> Result<Self> {
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
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Answer, reqwest::Error> {
        let (status, body) = self.send_for_bytes(request).await?;
        Ok(Answer::of(status, &body))
    }

    async fn send_for_bytes(
        &self,
        request: &Request<'_>,
    ) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let url = format!("{}{}", self.address.get(), request.path);
        let mut sent = self.client.request(request.method.clone(), url);
        if let Some(body) = request.body {
            sent = sent.json(body);
        }
        for (name, value) in request.headers {
            sent = sent.header(*name, *value);
        }
        if let Some(account) = &self.account {
            sent = sent.bearer_auth(account.access_token());
        }
        let response = sent.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.bytes().await?.into()))
    }

    /// Sends a request until it is answered with something that does not pass.
    ///
    /// # Errors
    /// If that takes longer than `within`.
    pub(crate) async fn insist(&self, request: &Request<'_>, within: Duration) -> Result<Answer> {
        let (status, body) = self.insist_for_bytes(request, within).await?;
        Ok(Answer::of(status, &body))
    }

    async fn insist_for_bytes(
        &self,
        request: &Request<'_>,
        within: Duration,
    ) -> Result<(u16, Vec<u8>)> {
        let end = Instant::now() + within;
        loop {
            let failure = match self.send_for_bytes(request).await {
                Ok((401, body)) if self.account.is_some() => {
                    self.log_in_again().await;
                    Answer::of(401, &body).told()
                }
                Ok((status, body)) if !is_for_now(status) => return Ok((status, body)),
                Ok((status, body)) => Answer::of(status, &body).told(),
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
    pub(crate) async fn read(&self, path: &str, within: Duration) -> Result<Value> {
        let answer = self.insist(&Request::get(path), within).await?;
        if answer.status != 200 {
            bail!("GET {path}: {}", answer.told());
        }
        Ok(answer.body)
    }

    /// As [`read`](Self::read), into a type of the caller's: cheaper than a [`Value`].
    pub(crate) async fn read_as<T: DeserializeOwned>(
        &self,
        path: &str,
        within: Duration,
    ) -> Result<T> {
        let request = Request::get(path);
        let (status, body) = self.insist_for_bytes(&request, within).await?;
        if status != 200 {
            bail!("GET {path}: {}", Answer::of(status, &body).told());
        }
        serde_json::from_slice(&body).with_context(|| format!("GET {path} answers something else"))
    }

    /// All items of a list, page by page.
    pub(crate) async fn read_all(&self, path: &str, within: Duration) -> Result<Vec<Value>> {
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
    pub(crate) async fn logged_in(
        &self,
        username: &str,
        password: &str,
        within: Duration,
    ) -> Result<Self> {
        let credentials = json!({"username": username, "password": password});
        let request = Request::post("/v1/auth/login", &credentials);
        let answer = self.insist(&request, within).await?;
        let tokens = Tokens::of(&answer.body)
            .with_context(|| format!("{username} cannot log in: {}", answer.told()))?;
        let account = Account {
            username: username.to_owned(),
            password: password.to_owned(),
            tokens: RwLock::new(tokens),
        };
        Ok(Self {
            account: Some(Arc::new(account)),
            ..self.clone()
        })
    }

    /// Takes a new token in place of one that is no longer good; if that fails, the next refusal leads here again.
    pub(crate) async fn log_in_again(&self) {
        if let Some(account) = &self.account {
            let credentials = json!({"username": account.username, "password": account.password});
            self.take_tokens(account, "/v1/auth/login", &credentials)
                .await;
        }
    }

    /// Takes new tokens if half the life of the old ones is over, without a password where that works.
    pub(crate) async fn stay_logged_in(&self) {
        let Some(account) = &self.account else { return };
        let (is_stale, refresh_token) = {
            let tokens = account.read();
            (Instant::now() >= tokens.stale_at, tokens.refresh.clone())
        };
        if !is_stale {
            return;
        }
        let body = json!({"refresh_token": refresh_token});
        if !self.take_tokens(account, "/v1/auth/refresh", &body).await {
            self.log_in_again().await;
        }
    }

    /// Whether there were tokens in the answer.
    async fn take_tokens(&self, account: &Account, path: &str, body: &Value) -> bool {
        let visitor = Self {
            account: None,
            ..self.clone()
        };
        let answer = visitor.send(&Request::post(path, body)).await;
        let tokens = answer.ok().and_then(|answer| Tokens::of(&answer.body));
        let is_taken = tokens.is_some();
        if let Some(tokens) = tokens {
            *account
                .tokens
                .write()
                .unwrap_or_else(PoisonError::into_inner) = tokens;
        }
        is_taken
    }

    /// The token that it shows; nothing for a visitor.
    pub(crate) fn access_token(&self) -> Arc<str> {
        let account = self.account.as_ref();
        account.map_or_else(|| Arc::from(""), |account| account.access_token())
    }
}

impl Account {
    fn read(&self) -> RwLockReadGuard<'_, Tokens> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn access_token(&self) -> Arc<str> {
        Arc::clone(&self.read().access)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Gives tokens that are stale at once, but refuses to exchange them; what it was asked for is what is returned.
    async fn shop(questions: usize) -> (Address, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::default();
        address.set(&format!("http://{}", listener.local_addr().unwrap()));
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            while asked.len() < questions {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = if path.ends_with("/refresh") {
                    ("401 Unauthorized", "{}".to_owned())
                } else {
                    let access = format!("token-{}", asked.len());
                    let body =
                        json!({"access_token": access, "refresh_token": "r", "expires_in": 0});
                    ("200 OK", body.to_string())
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                asked.push(path);
            }
            asked
        });
        (address, asked)
    }

    #[tokio::test]
    async fn stale_tokens_are_exchanged_or_else_taken_anew() {
        let (address, asked) = shop(3).await;
        let visitor = Api::visitor(address).unwrap();
        assert_eq!(&*visitor.access_token(), "");
        let within = Duration::from_secs(20);
        let anna = visitor.logged_in("anna", "secret", within).await.unwrap();
        assert_eq!(&*anna.access_token(), "token-0");
        anna.stay_logged_in().await;
        assert_eq!(&*anna.access_token(), "token-2");
        let expected = ["/v1/auth/login", "/v1/auth/refresh", "/v1/auth/login"];
        assert_eq!(asked.await.unwrap(), expected);
    }
}

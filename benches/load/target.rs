//! The Stampede that is measured: started here or running elsewhere, with its users, products and tokens.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::process::Process;

/// The variable from which the program takes the password of its first administrator.
pub(crate) const ADMIN: &str = "STAMPEDE_ADMIN_PASSWORD";
/// The password of everybody.
pub(crate) const PASSWORD: &str = "a buyer of the load benchmark 1";
/// What is printed before the URL once HTTP is served.
pub(crate) const READY_LINE: &str = "Stampede is ready: ";
/// What no run can sell out.
const STOCK: u64 = 1_000_000_000;
/// The longest time without service that is waited for.
const OUTAGE_MAX: Duration = Duration::from_secs(60);
const OUTAGE_POLL: Duration = Duration::from_millis(50);
/// Requests in flight while users and products are made.
const PREPARED_AT_ONCE: usize = 32;

/// Who orders, and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) users: usize,
    pub(crate) products: usize,
}

/// What the driver needs to know.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Vec<String>,
    pub(crate) products: Vec<u64>,
    /// What a confirmed order looks like.
    pub(crate) sample_answer: Value,
    /// Kept so that it lives as long as it is measured.
    program: Option<Program>,
}

impl Target {
    /// Starts `stampede up`, with its data below this directory, and fills it.
    pub(crate) fn start(directory: &Path, crowd: Crowd) -> anyhow::Result<Self> {
        let program = Program::start(directory)?;
        let mut target = Self::running(&program.url, PASSWORD, crowd)?;
        target.program = Some(program);
        Ok(target)
    }

    /// Starts `stampede up` on data that are there already, and fills it. What the program prints goes to `home`.
    #[allow(dead_code, reason = "not every benchmark has such data")]
    pub(crate) fn start_on(data: &Path, home: TempDir, crowd: Crowd) -> anyhow::Result<Self> {
        let program = Program::start_on(data, home)?;
        let mut target = Self::running(&program.url, PASSWORD, crowd)?;
        target.program = Some(program);
        Ok(target)
    }

    /// How long the program took from its start until it served, if it was started here.
    #[allow(dead_code, reason = "as above")]
    pub(crate) fn started_within(&self) -> Option<Duration> {
        Some(self.program.as_ref()?.started_within)
    }

    /// Fills a Stampede that runs.
    pub(crate) fn running(url: &str, admin_password: &str, crowd: Crowd) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let preparation = Preparation::new(url)?;
        let filling = preparation.fill(admin_password, crowd.users, crowd.products);
        let (tokens, products, sample_answer) = runtime.block_on(filling)?;
        Ok(Self {
            address: socket_address(url)?,
            tokens,
            products,
            sample_answer,
            program: None,
        })
    }

    /// How long it takes until every buyer has had an order confirmed; each tries again and again.
    ///
    /// # Errors
    /// If one of them has none after [`OUTAGE_MAX`].
    #[allow(dead_code, reason = "not every benchmark ends processes")]
    pub(crate) fn is_served_again(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let http = Client::builder().no_proxy().build()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut buyers = JoinSet::new();
        for (token, product) in self.tokens.iter().zip(self.products.iter().cycle()) {
            let order = http
                .post(format!("http://{}/v1/orders", self.address))
                .bearer_auth(token)
                .json(&json!({"lines": [{"product_id": product, "quantity": 1}]}));
            buyers.spawn_on(confirmed(order, begun), runtime.handle());
        }
        let served = runtime.block_on(buyers.join_all());
        let served: Vec<Duration> = served.into_iter().collect::<anyhow::Result<_>>()?;
        served.into_iter().max().context("nobody buys")
    }

    /// The id of the process, if it was started here.
    pub(crate) fn process_id(&self) -> Option<u32> {
        Some(self.program.as_ref()?.process.id())
    }
}

/// Sends an order until one is confirmed.
async fn confirmed(order: reqwest::RequestBuilder, begun: Instant) -> anyhow::Result<Duration> {
    while begun.elapsed() < OUTAGE_MAX {
        let again = order.try_clone().context("a body that can be sent again")?;
        if let Ok(answer) = again.send().await
            && answer.status() == StatusCode::CREATED
        {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(OUTAGE_POLL).await;
    }
    bail!("an order is not confirmed after {OUTAGE_MAX:?}")
}

fn socket_address(url: &str) -> anyhow::Result<SocketAddr> {
    let url = reqwest::Url::parse(url)?;
    ensure!(url.scheme() == "http", "only http is measured");
    let host = url.host_str().context("a url without a host")?;
    let port = url
        .port_or_known_default()
        .context("a url without a port")?;
    (host, port)
        .to_socket_addrs()?
        .next()
        .with_context(|| format!("{host} has no address"))
}

/// `stampede up`, with its data.
struct Program {
    process: Process,
    url: String,
    started_within: Duration,
    _home: TempDir,
}

impl Program {
    fn start(directory: &Path) -> anyhow::Result<Self> {
        let home = tempfile::tempdir_in(directory)?;
        let data = home.path().join("data");
        Self::start_on(&data, home)
    }

    fn start_on(data: &Path, home: TempDir) -> anyhow::Result<Self> {
        let data = data.display().to_string();
        let arguments = [
            "up",
            "--no-demo",
            "--http",
            "127.0.0.1:0",
            "--data-dir",
            &data,
        ];
        let begun = Instant::now();
        let mut process = Process::start(home.path(), "up", arguments, &[(ADMIN, PASSWORD)])?;
        let url = process.says(READY_LINE)?.trim_end_matches('/').to_owned();
        Ok(Self {
            process,
            url,
            started_within: begun.elapsed(),
            _home: home,
        })
    }
}

/// Makes users and products over the API.
#[derive(Clone)]
struct Preparation {
    http: Client,
    url: String,
    /// Keeps names apart from those of earlier benchmarks on the same store.
    run: u32,
}

impl Preparation {
    fn new(url: &str) -> anyhow::Result<Self> {
        let http = Client::builder().no_proxy().build()?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            run: rand::random(),
        })
    }

    async fn fill(
        &self,
        admin_password: &str,
        users: usize,
        products: usize,
    ) -> anyhow::Result<(Vec<String>, Vec<u64>, Value)> {
        let admin = self
            .login("admin", admin_password)
            .await
            .context("the admin cannot log in")?;
        let products = in_batches(products, |number| {
            self.clone().product(admin.clone(), number)
        })
        .await?;
        let tokens = in_batches(users, |number| self.clone().user(number)).await?;
        ensure!(
            !products.is_empty() && !tokens.is_empty(),
            "it takes a user and a product"
        );
        let order = json!({"lines": [{"product_id": products[0], "quantity": 1}]});
        let sample = self
            .post("/v1/orders", Some(&tokens[0]), &order, StatusCode::CREATED)
            .await?;
        Ok((tokens, products, sample))
    }

    async fn user(self, number: usize) -> anyhow::Result<String> {
        let username = format!("load-{:08x}-{number}", self.run);
        let email = format!("{username}@example.com");
        let user = json!({"username": username, "email": email, "password": PASSWORD});
        self.post("/v1/auth/register", None, &user, StatusCode::CREATED)
            .await?;
        self.login(&username, PASSWORD).await
    }

    async fn login(&self, username: &str, password: &str) -> anyhow::Result<String> {
        let credentials = json!({"username": username, "password": password});
        let tokens = self
            .post("/v1/auth/login", None, &credentials, StatusCode::OK)
            .await?;
        Ok(tokens["access_token"]
            .as_str()
            .context("no access token")?
            .to_owned())
    }

    async fn product(self, admin: String, number: usize) -> anyhow::Result<u64> {
        let product = json!({
            "sku": format!("LOAD-{:08x}-{number}", self.run),
            "name": format!("Load {number}"),
            "price": {"amount": 1250, "currency": "EUR"},
            "stock": STOCK,
        });
        let product = self
            .post("/v1/products", Some(&admin), &product, StatusCode::CREATED)
            .await?;
        product["id"].as_u64().context("a product without an id")
    }

    async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
        expected: StatusCode,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status == expected, "POST {path} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// Calls with the numbers `0..count`, a few at a time; returns the results in that order.
async fn in_batches<T, F>(count: usize, call: impl Fn(usize) -> F) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let mut results = Vec::with_capacity(count);
    for first in (0..count).step_by(PREPARED_AT_ONCE) {
        let mut batch = JoinSet::new();
        for number in first..(first + PREPARED_AT_ONCE).min(count) {
            let result = call(number);
            batch.spawn(async move { (number, result.await) });
        }
        let mut done = batch.join_all().await;
        done.sort_by_key(|(number, _)| *number);
        for (_, result) in done {
            results.push(result?);
        }
    }
    Ok(results)
}

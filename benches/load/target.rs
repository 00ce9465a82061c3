//! The Stampede that is measured: started here or running elsewhere, with its users, products and tokens.

use std::fs::{self, File};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::Arguments;

const PASSWORD: &str = "a buyer of the load benchmark 1";
const READY_LINE: &str = "Stampede is ready: ";
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// What no run can sell out.
const STOCK: u64 = 1_000_000_000;
/// Requests in flight while users and products are made.
const PREPARED_AT_ONCE: usize = 32;

/// What the driver needs to know.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Vec<String>,
    pub(crate) products: Vec<u64>,
    /// What a confirmed order looks like.
    pub(crate) sample_answer: Value,
    /// Kept so that it lives as long as it is measured.
    _program: Option<Program>,
}

impl Target {
    /// Starts the program unless there is one, and fills it.
    pub(crate) fn prepare(arguments: &Arguments) -> anyhow::Result<Self> {
        let (program, url, admin_password) = match (&arguments.url, &arguments.admin_password_file)
        {
            (Some(url), Some(file)) => (
                None,
                url.clone(),
                fs::read_to_string(file)?.trim().to_owned(),
            ),
            _ => {
                let program = Program::start(&arguments.directory)?;
                let url = program.url.clone();
                (Some(program), url, PASSWORD.to_owned())
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let preparation = Preparation::new(&url)?;
        let filling = preparation.fill(&admin_password, arguments.users, arguments.products);
        let (tokens, products, sample_answer) = runtime.block_on(filling)?;
        Ok(Self {
            address: socket_address(&url)?,
            tokens,
            products,
            sample_answer,
            _program: program,
        })
    }
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

/// The program under measurement, killed when it is dropped.
struct Program {
    child: Child,
    url: String,
    _home: TempDir,
}

impl Program {
    fn start(directory: &Path) -> anyhow::Result<Self> {
        let home = tempfile::tempdir_in(directory)?;
        let stdout_path = home.path().join("stdout.log");
        let child = Command::new(env!("CARGO_BIN_EXE_stampede"))
            .args(["up", "--no-demo", "--http", "127.0.0.1:0", "--data-dir"])
            .arg(home.path().join("data"))
            .env("STAMPEDE_ADMIN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout_path)?)
            .stderr(File::create(home.path().join("stderr.log"))?)
            .spawn()?;
        let mut program = Self {
            child,
            url: String::new(),
            _home: home,
        };
        program.url = program.wait_until_ready(&stdout_path)?;
        Ok(program)
    }

    fn wait_until_ready(&mut self, stdout_path: &Path) -> anyhow::Result<String> {
        let started = Instant::now();
        while started.elapsed() < START_TIME_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("stampede ended with {status} instead of starting");
            }
            let printed = fs::read_to_string(stdout_path)?;
            let complete = printed
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some((_, url)) = complete
                .filter_map(|line| line.split_once(READY_LINE))
                .next()
            {
                return Ok(url.trim().trim_end_matches('/').to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("stampede was not ready within {START_TIME_MAX:?}")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a process that has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

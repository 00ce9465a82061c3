//! The real servers that clusters stand on: those that `scripts/services up` started for everybody, or a set of one
//! test's own that it may stop, freeze and wreck.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::process::send;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");

/// One of the three.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Postgres,
    Kafka,
    Mongodb,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
            Self::Mongodb => "mongodb",
        }
    }
}

/// Where the servers are.
pub(crate) struct Servers {
    /// A role that may create databases.
    pub(crate) postgres_url: String,
    /// HOST:PORT.
    pub(crate) kafka: String,
    /// A URL.
    pub(crate) mongodb_url: String,
    /// Of a private set, the directory; its servers are stopped and removed when it is dropped.
    home: Option<TempDir>,
}

impl Servers {
    /// Those for everybody.
    pub(crate) fn shared() -> Self {
        let variables = match env::var("STAMPEDE_TEST_POSTGRES_URL") {
            Ok(_) => env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            Err(_) => told(&Command::new(SCRIPT).arg("env").output().unwrap().stdout),
        };
        Self::of(&variables, None)
    }

    /// A set of this test's own. Takes some ten seconds.
    pub(crate) async fn private() -> Self {
        tokio::task::spawn_blocking(|| {
            let home = TempDir::new().unwrap();
            let servers = |command: &str| {
                let run = Command::new(SCRIPT)
                    .arg(command)
                    .env("STAMPEDE_SERVICES_DIR", home.path().join("services"))
                    .output()
                    .unwrap();
                assert!(run.status.success(), "{run:?}");
                run.stdout
            };
            servers("up");
            let variables = told(&servers("env"));
            Self::of(&variables, Some(home))
        })
        .await
        .unwrap()
    }

    fn of(variables: &BTreeMap<String, String>, home: Option<TempDir>) -> Self {
        let variable = |name: &str| {
            variables.get(name).cloned().unwrap_or_else(|| {
                panic!(
                    "{name} is not known; run `scripts/services up` before the tests of clusters"
                )
            })
        };
        Self {
            postgres_url: variable("STAMPEDE_TEST_POSTGRES_URL"),
            kafka: variable("STAMPEDE_TEST_KAFKA"),
            mongodb_url: variable("STAMPEDE_TEST_MONGODB"),
            home,
        }
    }

    /// Stops a server; its data stay.
    pub(crate) async fn stop(&self, server: Server) {
        self.script(&["stop", server.name()]).await;
    }

    /// Starts it again where it was.
    pub(crate) async fn start(&self, server: Server) {
        self.script(&["start", server.name()]).await;
    }

    /// Stops a server in the middle of what it does (SIGSTOP).
    pub(crate) async fn freeze(&self, server: Server) {
        send("STOP", &self.pid(server).await);
    }

    /// Lets it go on (SIGCONT).
    pub(crate) async fn thaw(&self, server: Server) {
        send("CONT", &self.pid(server).await);
    }

    async fn pid(&self, server: Server) -> String {
        let variables = told(&self.script(&["env"]).await);
        let name = format!("STAMPEDE_TEST_{}_PID", server.name().to_uppercase());
        variables[&name].clone()
    }

    async fn script(&self, arguments: &[&str]) -> Vec<u8> {
        let run = tokio::process::Command::new(SCRIPT)
            .args(arguments)
            .env("STAMPEDE_SERVICES_DIR", self.private_dir())
            .output()
            .await
            .unwrap();
        assert!(run.status.success(), "{arguments:?}: {run:?}");
        run.stdout
    }

    fn private_dir(&self) -> PathBuf {
        let home = self.home.as_ref();
        home.expect("the servers for everybody are not touched")
            .path()
            .join("services")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if self.home.is_some() {
            let down = Command::new(SCRIPT)
                .arg("down")
                .env("STAMPEDE_SERVICES_DIR", self.private_dir())
                .output();
            if !down.as_ref().is_ok_and(|run| run.status.success()) {
                eprintln!("servers may be left running: {down:?}");
            }
        }
    }
}

/// The variables in lines of `export NAME=VALUE`.
fn told(lines: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(lines)
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace('\\', "")))
        .collect()
}

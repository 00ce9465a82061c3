//! The running program.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::program::BINARY;
use super::{Api, AuditReport, audit, eventually};

/// The admin's password in every shop that a test opens.
pub(crate) const ADMIN_PASSWORD: &str = "the admin of every test shop 7";

const READY_LINE: &str = "Stampede is ready: ";
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Promised in section 5.1 of the design, and the one figure that is not stretched.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// As much of the log as a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// How a shop is opened. The default is an empty one with a known admin password.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// With the demo catalogue.
    pub(crate) demo: bool,
    /// Let the program make up the admin's password; then nobody is logged in as admin.
    pub(crate) generated_password: bool,
    /// Keep the store here instead of in the test's own directory.
    pub(crate) data_dir: Option<PathBuf>,
}

/// One `stampede up`, its directory and its log. Dropping it kills the process and fails the test if the program
/// panicked without the test having announced it.
pub(crate) struct Shop {
    home: TempDir,
    setup: Setup,
    child: Option<Child>,
    starts: u32,
    address: Arc<Mutex<String>>,
    visitor: Api,
    admin: Option<Api>,
    panics_expected: Cell<bool>,
}

impl Shop {
    /// Opens an empty shop.
    pub(crate) async fn open() -> Self {
        Self::open_with(Setup::default()).await
    }

    /// Opens a shop on a fresh directory and logs the admin in.
    pub(crate) async fn open_with(setup: Setup) -> Self {
        let address = Arc::new(Mutex::new(String::new()));
        let visitor = Api::visitor(Arc::clone(&address));
        let home = TempDir::new().unwrap();
        let mut shop = Self {
            home,
            setup,
            child: None,
            starts: 0,
            address,
            visitor,
            admin: None,
            panics_expected: Cell::new(false),
        };
        shop.start().await;
        if !shop.setup.generated_password {
            shop.admin = Some(shop.visitor.logged_in("admin", ADMIN_PASSWORD).await);
        }
        shop
    }

    // People.

    /// Somebody without a token.
    pub(crate) fn visitor(&self) -> &Api {
        &self.visitor
    }

    /// The admin.
    pub(crate) fn admin(&self) -> &Api {
        self.admin
            .as_ref()
            .expect("this shop made up its admin's password")
    }

    /// A new customer.
    pub(crate) async fn customer(&self, username: &str) -> Api {
        self.visitor.customer(username).await
    }

    /// Some new customers. Each costs two Argon2 hashes, so a test takes as few as its scenario needs.
    pub(crate) async fn customers(&self, count: usize) -> Vec<Api> {
        let mut customers = Vec::with_capacity(count);
        for number in 0..count {
            customers.push(self.customer(&format!("buyer{number}")).await);
        }
        customers
    }

    // Places.

    /// Where the store is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.setup
            .data_dir
            .clone()
            .unwrap_or_else(|| self.home.path().join("data"))
    }

    /// A directory of this test beside the store.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// What the program printed since its latest start.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.stdout_path()).unwrap_or_default()
    }

    /// What the program logged since the first start.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// Audits the store and fails unless every invariant holds. The shop may be open or closed.
    pub(crate) async fn audit(&self) -> AuditReport {
        let report = audit(&self.data_dir()).await;
        report.expect_clean();
        report
    }

    /// From now on a panic in the program's log does not fail the test.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn expect_panics(&self) {
        self.panics_expected.set(true);
    }

    // Life and death.

    /// Kills the program without a warning (SIGKILL).
    pub(crate) fn kill_nine(&mut self) {
        let mut child = self.child.take().expect("the shop is open");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the program to stop (SIGTERM), and fails unless it drains in time and exits 0.
    pub(crate) async fn terminate(&mut self) {
        let mut child = self.child.take().expect("the shop is open");
        let sent = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "SIGTERM was not sent");
        let status = eventually(DRAIN_TIME_MAX, "the program drains and exits", async || {
            child.try_wait().unwrap()
        });
        assert_eq!(status.await.code(), Some(0), "{}", self.log_end());
    }

    /// Opens the shop again on its store, after it was killed or has ended.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.is_none(), "the shop is still open");
        self.start().await;
    }

    async fn start(&mut self) {
        self.starts += 1;
        self.child = Some(self.spawn());
        let address = eventually(
            START_TIME_MAX,
            "the program says that it is ready",
            async || {
                if let Some(status) = self.exit_status() {
                    panic!(
                        "the program ended with {status} instead of starting:\n{}",
                        self.log_end()
                    );
                }
                ready_address(&self.stdout())
            },
        );
        let address = address.await;
        *self.address.lock().unwrap() = address;
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(BINARY);
        command
            .arg("up")
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--http", "127.0.0.1:0"]);
        if !self.setup.demo {
            command.arg("--no-demo");
        }
        if !self.setup.generated_password {
            command.env("STAMPEDE_ADMIN_PASSWORD", ADMIN_PASSWORD);
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.stderr_path())
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(File::create(self.stdout_path()).unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child
            .as_mut()
            .and_then(|child| child.try_wait().unwrap())
    }

    fn stdout_path(&self) -> PathBuf {
        self.home.path().join(format!("stdout-{}.log", self.starts))
    }

    fn stderr_path(&self) -> PathBuf {
        self.home.path().join("stderr.log")
    }

    fn log_end(&self) -> String {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that has already ended and been waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the end of the program's log:\n{}", self.log_end());
            return;
        }
        let log = self.stderr();
        let panic = log.lines().find(|line| line.contains("panicked at"));
        assert!(
            panic.is_none() || self.panics_expected.get(),
            "the program panicked: {panic:?}"
        );
    }
}

/// The address in the line that says that the program is ready, once that line is complete.
fn ready_address(stdout: &str) -> Option<String> {
    let complete = stdout
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let address = complete
        .filter_map(|line| line.split_once(READY_LINE))
        .map(|(_, address)| address.trim())
        .next()?;
    Some(address.trim_end_matches('/').to_owned())
}

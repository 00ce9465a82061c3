//! The running program: one process or many, as [`deployment`](super::deployment) says.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::process::Process;
use super::program::READY_LINE;
use super::{Api, AuditReport, Cluster, ClusterSetup, Deployment, audit, deployment};

/// The admin's password in every shop that a test opens.
pub(crate) const ADMIN_PASSWORD: &str = "the admin of every test shop 7";

/// The nodes of a shop of many processes. Each hosts shards of every domain.
const NODES: [&str; 2] = ["a", "b"];

/// How a shop is opened. The default is an empty one with a known admin password.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Whether it refuses to have faults injected.
    pub(crate) faults_forbidden: bool,
    /// Variables of its environment, of the first start only; of the shop of one process.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// With the demo catalogue; of the embedded store only.
    pub(crate) demo: bool,
    /// Serve gRPC; of the shop of one process only.
    pub(crate) grpc: bool,
    /// Let the program make up the admin's password; then nobody is logged in as admin.
    pub(crate) generated_password: bool,
    /// Keep the embedded store here instead of in the test's own directory.
    pub(crate) data_dir: Option<PathBuf>,
}

/// A shop, its directory and its logs. Dropping it kills its processes and fails the test if one panicked without the
/// test having announced it.
pub(crate) struct Shop {
    deployed: Deployed,
    data_dir: PathBuf,
    visitor: Api,
    admin: Option<Api>,
}

/// What runs.
enum Deployed {
    Embedded(Embedded),
    Cluster(Box<Cluster>),
}

/// One `stampede up`.
struct Embedded {
    process: Process,
    address: Arc<Mutex<String>>,
    panics_expected: Cell<bool>,
    home: TempDir,
}

impl Shop {
    /// Opens an empty shop.
    pub(crate) async fn open() -> Self {
        Self::open_with(Setup::default()).await
    }

    /// Opens a shop on fresh stores and logs the admin in.
    pub(crate) async fn open_with(setup: Setup) -> Self {
        let mut shop = match deployment() {
            Deployment::Embedded => Self::embedded(&setup).await,
            Deployment::Cluster => Self::cluster(&setup).await,
        };
        if !setup.generated_password {
            shop.admin = Some(shop.visitor.logged_in("admin", ADMIN_PASSWORD).await);
        }
        shop
    }

    async fn embedded(setup: &Setup) -> Self {
        let home = TempDir::new().unwrap();
        let data_dir = setup
            .data_dir
            .clone()
            .unwrap_or_else(|| home.path().join("data"));
        let mut arguments: Vec<OsString> = vec!["up".into(), "--data-dir".into()];
        arguments.push(data_dir.clone().into());
        arguments.extend(["--http", "127.0.0.1:0"].map(Into::into));
        if !setup.demo {
            arguments.push("--no-demo".into());
        }
        if setup.grpc {
            arguments.extend(["--grpc", "127.0.0.1:0"].map(Into::into));
        }
        let mut process = Process::new(home.path(), "up", arguments);
        if !setup.generated_password {
            process.set_environment(with_the_admins_password());
        }
        if setup.faults_forbidden {
            process.forbid_faults();
        }
        for (name, value) in &setup.environment {
            process.add_variable(name, value);
        }
        let mut embedded = Embedded {
            process,
            address: Arc::default(),
            panics_expected: Cell::new(false),
            home,
        };
        embedded.start().await;
        embedded.process.drop_variables(setup.environment.len());
        let visitor = Api::visitor(Arc::clone(&embedded.address));
        Self {
            deployed: Deployed::Embedded(embedded),
            data_dir,
            visitor,
            admin: None,
        }
    }

    async fn cluster(setup: &Setup) -> Self {
        assert!(
            !setup.demo && setup.data_dir.is_none(),
            "a cluster has neither"
        );
        let cluster = Cluster::open(ClusterSetup {
            generated_password: setup.generated_password,
            ..ClusterSetup::of(&NODES)
        })
        .await;
        let data_dir = cluster.home().join("data");
        fs::create_dir(&data_dir).unwrap();
        // Where the embedded store has it, for tests that sign tokens of their own.
        let key = cluster.signing_key_pem().await;
        fs::write(data_dir.join("signing-key.pem"), key).unwrap();
        Self {
            visitor: cluster.visitor(),
            deployed: Deployed::Cluster(Box::new(cluster)),
            data_dir,
            admin: None,
        }
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

    /// Where the embedded store is. Of a cluster, a directory with the key that signs its tokens.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone()
    }

    /// The flags by which a command finds the stores.
    pub(crate) fn store(&self) -> [OsString; 2] {
        match &self.deployed {
            Deployed::Embedded(_) => ["--data-dir".into(), self.data_dir().into()],
            Deployed::Cluster(cluster) => cluster.store(),
        }
    }

    /// A directory of this test beside the store.
    pub(crate) fn home(&self) -> &Path {
        match &self.deployed {
            Deployed::Embedded(embedded) => embedded.home.path(),
            Deployed::Cluster(cluster) => cluster.home(),
        }
    }

    /// What the program printed since its latest start.
    pub(crate) fn stdout(&self) -> String {
        match &self.deployed {
            Deployed::Embedded(embedded) => embedded.process.stdout(),
            Deployed::Cluster(cluster) => cluster.stdout(),
        }
    }

    /// What the program logged since the first start.
    pub(crate) fn stderr(&self) -> String {
        match &self.deployed {
            Deployed::Embedded(embedded) => embedded.process.stderr(),
            Deployed::Cluster(cluster) => cluster.stderr(),
        }
    }

    /// Audits the store and fails unless every invariant holds. The shop may be open or closed.
    pub(crate) async fn audit(&self) -> AuditReport {
        let report = audit(&self.store()).await;
        report.expect_clean();
        report
    }

    /// From now on a panic in the program's log does not fail the test.
    pub(crate) fn expect_panics(&self) {
        match &self.deployed {
            Deployed::Embedded(embedded) => embedded.panics_expected.set(true),
            Deployed::Cluster(cluster) => cluster.expect_panics(),
        }
    }

    // Life and death.

    /// Kills the program without a warning (SIGKILL): all of its processes.
    pub(crate) fn kill_nine(&mut self) {
        match &mut self.deployed {
            Deployed::Embedded(embedded) => embedded.process.kill_nine(),
            Deployed::Cluster(cluster) => cluster.kill_nine(),
        }
    }

    /// Asks the program to stop (SIGTERM), all processes at once, and fails unless it drains in time and exits 0.
    pub(crate) async fn terminate(&mut self) {
        match &mut self.deployed {
            Deployed::Embedded(embedded) => embedded.process.terminate().await,
            Deployed::Cluster(cluster) => cluster.terminate().await,
        }
    }

    /// Starts those of its processes again that have ended by themselves, as whoever runs it would. Returns how they had
    /// ended.
    #[cfg(feature = "fault-injection")]
    pub(crate) async fn revive(&mut self) -> Vec<std::process::ExitStatus> {
        match &mut self.deployed {
            Deployed::Embedded(embedded) => {
                let ended = embedded.process.exit_status();
                if ended.is_some() {
                    embedded.start().await;
                }
                ended.into_iter().collect()
            }
            Deployed::Cluster(cluster) => cluster.revive_nodes().await,
        }
    }

    /// The memory that the shop of one process holds at the moment, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        match &self.deployed {
            Deployed::Embedded(embedded) => embedded.process.resident_bytes(),
            Deployed::Cluster(_) => panic!("a cluster is many processes"),
        }
    }

    /// Opens the shop again on its store, after it was killed or has ended.
    pub(crate) async fn restart(&mut self) {
        match &mut self.deployed {
            Deployed::Embedded(embedded) => embedded.start().await,
            Deployed::Cluster(cluster) => cluster.start().await,
        }
    }
}

impl Embedded {
    async fn start(&mut self) {
        self.process.spawn();
        let address = self.process.says(READY_LINE).await;
        *self.address.lock().unwrap() = address.trim_end_matches('/').to_owned();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if self.process.is_running() {
            self.process.kill_nine();
        }
        if std::thread::panicking() {
            eprintln!("the end of the program's log:\n{}", self.process.log_end());
            return;
        }
        let panic = self.process.panic();
        assert!(
            panic.is_none() || self.panics_expected.get(),
            "the program panicked:\n{}",
            panic.unwrap_or_default()
        );
    }
}

/// The environment of a process whose first start knows the admin's password.
pub(super) fn with_the_admins_password() -> Vec<(String, String)> {
    vec![("STAMPEDE_ADMIN_PASSWORD".into(), ADMIN_PASSWORD.into())]
}

//! One process of the program that runs until it is told to stop, with its logs and its signals.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::eventually;
use super::program::binary;

/// Ten times what a start takes on two busy cores.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Promised in section 5.1 of the design, and the one figure that is not stretched.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// As much of the log as a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// One process. Dropping it kills it.
pub(crate) struct Process {
    name: String,
    home: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    frozen: bool,
    starts: u32,
}

impl Process {
    /// What will run `stampede ARGUMENTS` and keep its logs, called by `name`, in `home`.
    pub(crate) fn new<A: Into<OsString>>(
        home: &Path,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            home: home.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            child: None,
            frozen: false,
            starts: 0,
        }
    }

    /// With these variables in its environment, beside those of the test, from the next start on.
    pub(crate) fn set_environment(&mut self, variables: Vec<(String, String)>) {
        self.environment = variables;
    }

    /// From the next start on it refuses to have faults injected.
    pub(crate) fn forbid_faults(&mut self) {
        let forbidden = ("STAMPEDE_FAULTS_ALLOWED", "false");
        self.environment
            .push((forbidden.0.to_owned(), forbidden.1.to_owned()));
    }

    /// With one more variable in its environment, from the next start on.
    pub(crate) fn add_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Without the last so many variables, from the next start on.
    pub(crate) fn drop_variables(&mut self, count: usize) {
        let kept = self.environment.len() - count;
        self.environment.truncate(kept);
    }

    /// The memory that it holds at the moment, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let child = self.child.as_ref().expect("the process runs");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Whether it was started and not seen to end.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it, without waiting for anything.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} still runs", self.name);
        self.starts += 1;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.stderr_path())
            .unwrap();
        let child = Command::new(binary())
            .args(&self.arguments)
            .env("STAMPEDE_FAULTS_ALLOWED", "true")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(self.stdout_path()).unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits until a line that has `words` in it was printed; returns what follows them. Fails if the process ends.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        let what = format!("{} says {words:?}", self.name);
        eventually(START_TIME_MAX, &what, async || {
            if let Some(status) = self.exit_status() {
                let (name, log) = (&self.name, self.log_end());
                panic!("{name} ended with {status} instead of starting:\n{log}");
            }
            said(&self.stdout(), words)
        })
        .await
    }

    /// What it printed since its latest start.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.stdout_path()).unwrap_or_default()
    }

    /// What it logged since the first start.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// The end of the log, for a failed test.
    pub(crate) fn log_end(&self) -> String {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// What the log has from its first panic on, if there is one.
    pub(crate) fn panic(&self) -> Option<String> {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        let panicked = lines.iter().position(|line| line.contains("panicked at"))?;
        let end = lines.len().min(panicked + LOG_LINES_SHOWN);
        Some(lines[panicked..end].join("\n"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("the process runs");
        send(signal, &child.id().to_string());
    }

    /// Kills it without a warning (SIGKILL).
    pub(crate) fn kill_nine(&mut self) {
        let mut child = self.child.take().expect("the process runs");
        self.frozen = false;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it in the middle of what it does (SIGSTOP), as a machine does that hangs.
    pub(crate) fn freeze(&mut self) {
        self.signal("STOP");
        self.frozen = true;
    }

    /// Lets it go on (SIGCONT) as if nothing had happened.
    pub(crate) fn thaw(&mut self) {
        self.signal("CONT");
        self.frozen = false;
    }

    /// Asks it to stop (SIGTERM), and fails unless it drains in time and exits 0.
    pub(crate) async fn terminate(&mut self) {
        self.signal("TERM");
        self.drained().await;
    }

    /// Fails unless it, told to stop, drains in time and exits 0.
    pub(crate) async fn drained(&mut self) {
        let what = format!("{} drains and exits", self.name);
        let status = eventually(DRAIN_TIME_MAX, &what, async || self.exit_status()).await;
        assert_eq!(status.code(), Some(0), "{}:\n{}", self.name, self.log_end());
    }

    /// The exit status, once it has ended.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        self.child = None;
        Some(status)
    }

    fn stdout_path(&self) -> PathBuf {
        self.home
            .join(format!("{}.stdout-{}.log", self.name, self.starts))
    }

    fn stderr_path(&self) -> PathBuf {
        self.home.join(format!("{}.stderr.log", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that has already ended and been waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal to a process of this test.
pub(super) fn send(signal: &str, pid: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), pid])
        .status()
        .unwrap();
    assert!(sent.success(), "SIG{signal} was not sent to {pid}");
}

/// What follows these words in the first complete line that has them.
fn said(printed: &str, words: &str) -> Option<String> {
    let mut complete = printed
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let rest = complete.find_map(|line| Some(line.split_once(words)?.1))?;
    Some(rest.trim().to_owned())
}

//! A process that chaos started, with its logs and its signals. It never touches another one.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Ten times what a start takes on two busy cores.
const START_TIME_MAX: Duration = Duration::from_secs(90);
/// How often a starting process is looked at.
const START_POLL: Duration = Duration::from_millis(20);
/// What is promised of a process that is told to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
/// What a panic begins with in a log.
const PANIC: &str = "panicked at";
/// What an injected panic says.
const INJECTED: &str = "injected fault";

/// One process. Dropping it kills it.
pub(super) struct Process {
    name: String,
    home: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    starts: u32,
}

impl Process {
    /// What will run this same program with these arguments, and keep its logs, called by `name`, in `home`.
    pub(super) fn new(home: &Path, name: &str, arguments: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            home: home.to_owned(),
            arguments,
            environment: Vec::new(),
            child: None,
            starts: 0,
        }
    }

    /// With this variable in its environment.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, without waiting for anything.
    pub(super) fn spawn(&mut self) -> Result<()> {
        self.starts += 1;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.stderr_path())?;
        let mut command = Command::new(std::env::current_exe()?);
        // Whoever runs chaos may have configured a shop of his own by such variables.
        for (name, _) in std::env::vars_os() {
            let is_configuration = name.to_string_lossy().starts_with("STAMPEDE_");
            if is_configuration && name != "STAMPEDE_LOG" {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(self.stdout_path())?)
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn();
        self.child = Some(child.with_context(|| format!("{} cannot be started", self.name))?);
        Ok(())
    }

    /// Waits until it has printed a line with these words; returns what follows them.
    pub(super) async fn says(&mut self, words: &str) -> Result<String> {
        let end = Instant::now() + START_TIME_MAX;
        while Instant::now() < end {
            let printed = fs::read_to_string(self.stdout_path()).unwrap_or_default();
            let complete = printed
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let found = complete.filter_map(|line| line.split_once(words)).next();
            if let Some((_, rest)) = found {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = self.ended()? {
                let log = fs::read_to_string(self.stderr_path()).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                let name = &self.name;
                bail!("{name} ended with {status} instead of starting: {last}");
            }
            sleep(START_POLL).await;
        }
        bail!("{} does not start within {START_TIME_MAX:?}", self.name)
    }

    /// Kills it without a warning (SIGKILL).
    pub(super) async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Stops it in the middle of what it does (SIGSTOP), as a machine does that hangs.
    pub(super) fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT) as if nothing had happened.
    pub(super) fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to stop (SIGTERM) and waits until it has; an error if it does not, in time and in good order.
    pub(super) async fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let Ok(status) = timeout(STOP_TIME_MAX, child.wait()).await else {
            bail!("{} does not stop within {STOP_TIME_MAX:?}", self.name);
        };
        self.child = None;
        let status = status?;
        if !status.success() {
            bail!("{} was told to stop and ended with {status}", self.name);
        }
        Ok(())
    }

    /// How it ended, if it has since it was last asked.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child.try_wait()?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Whether it has not ended; how it did remains to be asked.
    pub(super) fn is_running(&mut self) -> Result<bool> {
        let status = self.child.as_mut().map(Child::try_wait).transpose()?;
        Ok(status.is_some_and(|status| status.is_none()))
    }

    /// The places in its log where it panicked without having been made to.
    pub(super) fn unexpected_panics(&self) -> Vec<String> {
        let log = fs::read(self.stderr_path()).unwrap_or_default();
        panics_in(&String::from_utf8_lossy(&log))
            .into_iter()
            .map(|line| format!("{}: {line}", self.name))
            .collect()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id);
        // Without one it has ended, and is not there to hear it.
        let Some(pid) = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) else {
            return Ok(());
        };
        kill_process(pid, signal).with_context(|| format!("no signal reaches {}", self.name))
    }

    fn stdout_path(&self) -> PathBuf {
        let (name, starts) = (&self.name, self.starts);
        self.home.join(format!("{name}.stdout-{starts}.log"))
    }

    fn stderr_path(&self) -> PathBuf {
        self.home.join(format!("{}.stderr.log", self.name))
    }
}

/// Panics in a log that say something else than that they were injected.
fn panics_in(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().collect();
    let panicked = lines.iter().enumerate();
    panicked
        .filter(|(_, line)| line.contains(PANIC))
        .filter_map(|(number, line)| {
            let message = lines.get(number + 1).copied().unwrap_or_default();
            let is_injected = line.contains(INJECTED) || message.contains(INJECTED);
            (!is_injected).then(|| format!("{line} {message}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_was_injected_is_none() {
        let log = "thread 'a' panicked at x.rs:1:1:\ninjected fault in order 7\nwell\n\
                   thread 'b' panicked at y.rs:2:2:\nindex out of bounds\n";
        assert_eq!(
            panics_in(log),
            ["thread 'b' panicked at y.rs:2:2: index out of bounds"]
        );
    }
}

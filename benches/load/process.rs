//! A process under measurement, with its output in files. Dropping it kills it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const START_TIME_MAX: Duration = Duration::from_secs(60);
const START_POLL: Duration = Duration::from_millis(5);

/// A process that is measured.
pub(crate) struct Process {
    child: Child,
    name: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts the program with these arguments; what it prints goes to files in `home`.
    pub(crate) fn start(
        home: &Path,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let (stdout, stderr) = (
            home.join(format!("{name}.stdout.log")),
            home.join(format!("{name}.stderr.log")),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        // Whoever runs this may have configured a shop of their own by such variables.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("STAMPEDE_") {
                command.env_remove(variable);
            }
        }
        let child = command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            stdout,
            stderr,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has printed a line with these words; returns what follows them.
    pub(crate) fn says(&mut self, words: &str) -> anyhow::Result<String> {
        let started = Instant::now();
        while started.elapsed() < START_TIME_MAX {
            // Asked first: what a process that has ended has printed is complete.
            let ended = self.child.try_wait()?;
            let printed = fs::read_to_string(&self.stdout)?;
            let mut complete = printed
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some((_, rest)) = complete.find_map(|line| line.split_once(words)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = ended {
                let log = fs::read_to_string(&self.stderr).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                bail!("{} ended with {status}: {last}", self.name);
            }
            std::thread::sleep(START_POLL);
        }
        bail!("{} does not start within {START_TIME_MAX:?}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

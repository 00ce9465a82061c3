//! Running the `stampede` binary for a command that ends by itself.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The binary under test: that of this build, or the one that `STAMPEDE_TEST_BINARY` names.
pub(crate) fn binary() -> OsString {
    let built = || env!("CARGO_BIN_EXE_stampede").into();
    env::var_os("STAMPEDE_TEST_BINARY").unwrap_or_else(built)
}

/// What the line begins with that says where the shop is found.
pub(crate) const READY_LINE: &str = "Stampede is ready: ";

/// Longer than any command that ends by itself needs.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; a command that died of a signal has none and fails the test.
    pub(crate) exit_code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Everything that was printed.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs `stampede` with these arguments to its end, and fails when it has to be stopped or panics.
pub(crate) async fn stampede<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    let child = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(COMMAND_TIME_MAX, child.wait_with_output())
        .await
        .expect("the command ends by itself")
        .unwrap();
    let outcome = Outcome {
        exit_code: output
            .status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {output:?}")),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(
        !outcome.stderr.contains("panicked at"),
        "{}",
        outcome.stderr
    );
    outcome
}

/// Runs `up` on a directory where it is expected to refuse.
pub(crate) async fn refused_start(data_dir: &Path) -> Outcome {
    let directory = data_dir.as_os_str();
    stampede([
        "up".as_ref(),
        "--data-dir".as_ref(),
        directory,
        "--http".as_ref(),
        "127.0.0.1:0".as_ref(),
    ])
    .await
}

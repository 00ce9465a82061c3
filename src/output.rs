//! What commands say to whoever runs them. A reader that has gone away is no reason to fail.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
};

/// Says a line on standard output.
pub(crate) fn say(line: impl Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Says a line on standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(stderr().lock(), "{line}");
}

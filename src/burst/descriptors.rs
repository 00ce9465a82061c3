//! Room for as many connections as are asked for.

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files and connections beside those of the crowd.
const OTHERS: u64 = 100;

/// Lets this process have so many connections at a time.
///
/// # Errors
/// If the system does not allow it.
pub(super) fn ensure_room_for(connections: u32) -> Result<()> {
    let needed = u64::from(connections) + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "{connections} connections are more than the limit of open files allows (ulimit -n)"
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

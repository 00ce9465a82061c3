//! What one durable write costs on this disk, to set latencies against.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use crate::report::median;

const WRITES: usize = 200;
const BLOCK_BYTES: usize = 4 * 1024;

/// The median time, in milliseconds, to append 4 KiB to a file in this directory and bring it to the disk.
pub(crate) fn median_ms(directory: &Path) -> anyhow::Result<f64> {
    let home = tempfile::tempdir_in(directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    let mut file = File::create(home.path().join("fsync"))?;
    let block = [0x5a; BLOCK_BYTES];
    let mut times_ms = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times_ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times_ms))
}

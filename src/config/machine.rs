//! What some defaults are made of: the machine and the process.

/// The threads assumed where the number of cores cannot be learned.
const CORES_ASSUMED: usize = 2;

/// The machine that this process runs on.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Its host name.
    pub(super) host: String,
    /// How many threads run at a time; at least 1.
    pub(super) cores: usize,
    /// The id of this process.
    pub(super) pid: u32,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Self {
        Self {
            host: hostname::get().map_or_else(
                |_| "localhost".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            ),
            cores: std::thread::available_parallelism().map_or(CORES_ASSUMED, usize::from),
            pid: std::process::id(),
        }
    }
}

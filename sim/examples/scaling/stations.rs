//! What orders wait at.

/// Microseconds since the beginning.
pub(crate) type Micros = f64;

/// Cores that take whatever comes next, in the order in which it came.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    free_at: Vec<Micros>,
    used: Micros,
}

impl Cores {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            free_at: vec![0.0; cores.max(1)],
            used: 0.0,
        }
    }

    /// When something that came at this time, and takes so long, is done.
    pub(crate) fn serve(&mut self, now: Micros, takes: Micros) -> Micros {
        let first = (self.free_at.iter_mut()).min_by(|one, other| one.total_cmp(other));
        self.used += takes;
        match first {
            Some(free_at) => {
                *free_at = free_at.max(now) + takes;
                *free_at
            }
            None => now + takes,
        }
    }

    /// The share of their time for which they were busy until then.
    pub(crate) fn utilization(&self, until: Micros) -> f64 {
        self.used / (until * self.free_at.len() as f64)
    }
}

/// A connection that commits what has gathered, one transaction after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    /// Entries that wait for the next transaction.
    pub(crate) gathered: Vec<usize>,
    pub(crate) is_busy: bool,
    pub(crate) transactions: u64,
    pub(crate) entries: u64,
}

impl Writer {
    /// Begins a transaction with at most so many entries, if none is under way and some wait.
    pub(crate) fn begin(&mut self, at_most: usize) -> Option<Vec<usize>> {
        if self.is_busy || self.gathered.is_empty() {
            return None;
        }
        self.is_busy = true;
        let rest = self.gathered.split_off(at_most.min(self.gathered.len()));
        let entries = std::mem::replace(&mut self.gathered, rest);
        self.transactions += 1;
        self.entries += entries.len() as u64;
        Some(entries)
    }
}

//! How large the model is, what may go wrong in it, and which rule is broken on purpose.

use super::mutation::Mutation;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A node dies: what is in its memory is lost, and its transaction may land yet, or not.
    Crash,
    /// Another node claims a shard while its owner still runs.
    TakeOver,
    /// A node never learns what came of its transaction, which may have landed, may land yet, or not.
    UnknownCommit,
    /// A message is lost.
    Loss,
    /// A message arrives, and will arrive again.
    Duplicate,
    /// A message arrives and cannot be decoded.
    Garble,
    /// A handler panics when it has decided; the message is handed over again.
    Panic,
    /// A handler keeps failing, so that what it was asked is set aside.
    Park,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Crash,
        Self::TakeOver,
        Self::UnknownCommit,
        Self::Loss,
        Self::Duplicate,
        Self::Garble,
        Self::Panic,
        Self::Park,
    ];
}

/// How many faults there may yet be: so many in all, and so many of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    in_all: u8,
    of_kind: [u8; Fault::ALL.len()],
}

impl Budget {
    /// At most so many in all, none of any kind until [`Budget::with`] says so.
    #[must_use]
    pub const fn of(in_all: u8) -> Self {
        Self {
            in_all,
            of_kind: [0; Fault::ALL.len()],
        }
    }

    /// At most so many in all, and as many of each kind.
    #[must_use]
    pub const fn of_any(in_all: u8) -> Self {
        Self {
            in_all,
            of_kind: [in_all; Fault::ALL.len()],
        }
    }

    /// The same, with at most so many of a kind.
    #[must_use]
    pub const fn with(mut self, kind: Fault, at_most: u8) -> Self {
        self.of_kind[kind as usize] = at_most;
        self
    }

    /// Whether there may be one of this kind.
    #[must_use]
    pub const fn allows(&self, kind: Fault) -> bool {
        self.in_all > 0 && self.of_kind[kind as usize] > 0
    }

    /// How many of a kind there may be at most.
    #[must_use]
    pub const fn left_of(&self, kind: Fault) -> u8 {
        self.of_kind[kind as usize]
    }

    pub(super) fn spend(&mut self, kind: Fault) {
        self.in_all = self.in_all.saturating_sub(1);
        let left = &mut self.of_kind[kind as usize];
        *left = left.saturating_sub(1);
    }
}

/// A model.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pieces of the one product.
    pub stock: u64,
    /// The orders, each with the pieces that each of its lines asks for. They are placed in this order.
    pub orders: Vec<Vec<u64>>,
    /// How many cancellations customers may try.
    pub cancels: u8,
    /// Whether time passes, so that deadlines do.
    pub deadlines: bool,
    /// What may go wrong.
    pub faults: Budget,
    /// The rule that is broken, if one is.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two orders of one piece each, of which there is one; one cancellation; these faults.
    #[must_use]
    pub fn new(faults: Budget) -> Self {
        Self {
            stock: 1,
            orders: vec![vec![1], vec![1]],
            cancels: 1,
            deadlines: true,
            faults,
            mutation: None,
        }
    }
}

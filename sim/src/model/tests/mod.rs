//! The model holds, and each broken rule is noticed.

mod holds;
mod mutations;

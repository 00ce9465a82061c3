//! A large shop under faults drawn from a seed, replayed exactly by the same seed.

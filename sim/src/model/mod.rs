//! A small shop, of which every reachable state is looked at.

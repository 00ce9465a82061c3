#![allow(clippy::print_stdout)]

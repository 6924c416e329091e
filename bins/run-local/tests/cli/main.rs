//! run-local through its binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod command_line;
mod containers;
mod regressions;
mod regressions_of_files;
mod signals;
mod support;
mod workflows;

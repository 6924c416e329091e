//! run-tests through its binary: with the real test tools where they are told.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod cargo;
mod command;
mod go;
mod output;
mod pytest;
mod reporters;
mod rerun;
mod support;

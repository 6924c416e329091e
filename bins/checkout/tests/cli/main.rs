//! checkout through its binary, against real git servers.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod again;
mod cache;
mod clean;
mod command_line;
mod content;
mod credentials;
mod fixture;
mod github_app;
mod hostile;
mod https;
mod merges;
mod parity;
mod partial;
mod reliability;
mod scripts;
mod ssh;
mod wire;

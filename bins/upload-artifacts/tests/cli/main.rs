//! upload-artifacts through its binary: into folders, and into a real object store.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod censor;
mod cloud;
mod ending;
mod faults;
mod finished;
mod folder_bucket;
mod killed;
mod places;
mod single;
mod support;
mod tree;
mod watch;

//! The image, with a real Docker engine: `make image-test` builds nothing of it and says in
//! `TEST_WORKER_IMAGE` and `TEST_WORKER_TOOLS` which images to look at.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot do its work fails by a panic"
)]

mod compatibility;
mod contents;
mod demo;
mod docker;
mod first_process;
#[path = "../demo_results/mod.rs"]
mod results;
mod runtime;
mod size;
mod steps;
mod tools;

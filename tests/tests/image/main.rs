//! The image, with a real Docker engine: `make image-test` builds nothing of it and says in
//! `TEST_WORKER_IMAGE` and `TEST_WORKER_TOOLS` which images to look at, and in
//! `TEST_WORKER_IMAGE_ARGS` what else they were built with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot do its work fails by a panic"
)]

mod cloud_build;
mod compatibility;
mod contents;
mod demo;
mod docker;
mod first_process;
mod manifests;
#[path = "../demo_results/mod.rs"]
mod results;
mod runtime;
mod size;
mod steps;
mod tools;

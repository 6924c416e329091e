//! submit-e2e through its binary, without a cluster.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod bad_input;
mod clones;
mod clusters;
mod kinds;
mod ksonnet;
mod plan;
mod prune;
mod python;
mod support;
mod working_tree;

//! kubeconfig-setup through its binary: against Google at the wire.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod check;
mod competition;
mod flags;
mod gcloud;
mod leases;
mod refusals;
mod support;
mod token;
mod writing;

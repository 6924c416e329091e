//! submit-e2e on a real cluster: from a Prow job's variables to the verdict in the bucket, and what
//! becomes of it when parts of the cluster fail. `make test-cluster` runs these.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot do its work fails by a panic"
)]

mod bucket;
mod by_hand;
mod deletions;
mod demo;
mod evidence;
mod gke;
mod interruptions;
mod job;
mod kills;
mod manifest;
mod manifests_folder;
mod moment;
mod outages;
mod output;
mod pipeline_runs;
mod rights;
mod verdicts;
mod watches;

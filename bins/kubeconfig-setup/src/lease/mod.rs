//! Having a cluster alone: leases with heartbeat, time limit and fencing.
//!
//! Safety rests on one thing: a place replaces what was read, unless somebody else did so before.
//! Time is the place's, so clocks of machines need not agree. Whoever has a lease counts its end
//! from before the place was asked for its time; others wait until after it.

mod bucket;
mod folder;
pub(crate) mod hold;
mod kubernetes;
pub(crate) mod note;
pub(crate) mod place;
mod queue;
mod record;
pub(crate) mod take;

use std::fmt::Write as _;

use common::google::gke::Cluster;
use sha2::{Digest, Sha256};

/// The name of a cluster's lease, which is one of Kubernetes' names as well.
pub(crate) fn name_of(project: &str, cluster: &Cluster) -> String {
    let project = project.replace(':', ".");
    format!("gke.{project}.{}.{}", cluster.location(), cluster.name)
}

/// The name of a pool's queue.
pub(crate) fn queue_of(project: &str, pattern: &str) -> String {
    let mut name = format!("queue.{}.", project.replace(':', "."));
    for byte in &Sha256::digest(pattern.as_bytes())[..6] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

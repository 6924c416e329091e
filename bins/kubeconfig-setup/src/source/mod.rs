//! Where a cluster's entry comes from.

mod existing;
mod given;
mod gke;
mod plugin;

pub(crate) use existing::Existing;
pub(crate) use given::{Given, in_cluster};
pub(crate) use gke::{context_of, entry as of_gke};
pub(crate) use plugin::{Plugin, command};

//! What a builder made of a recipe, whoever it was.

use std::collections::BTreeMap;
use std::time::Duration;

use common::Error;

/// A build that has ended, or goes on without us.
#[derive(Debug)]
pub(crate) struct Made {
    /// What the builder calls it.
    pub(crate) id: Option<String>,
    /// Its page.
    pub(crate) link: Option<String>,
    /// Project and region.
    pub(crate) place: Option<String>,
    pub(crate) status: String,
    pub(crate) took: Option<Duration>,
    /// Digests by image, as the builder writes it.
    pub(crate) digests: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
    /// The end of what it said.
    pub(crate) output: String,
    /// Why it did not succeed.
    pub(crate) error: Option<Error>,
}

/// A part of a build.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) passed: bool,
    /// Whether it was run to an end.
    pub(crate) ended: bool,
    pub(crate) took: Option<Duration>,
}

//! Which object each file becomes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use common::bucket::ObjectName;
use common::{Error, Result};

use crate::plan::Sync;

/// Gives each file the name of its object.
pub(crate) struct Names {
    plan: Sync,
    /// Hashes of the names that are taken.
    taken: HashSet<u64>,
    hasher: RandomState,
}

impl Names {
    pub(crate) fn new(plan: Sync) -> Self {
        Names {
            plan,
            taken: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// The object for a file. Escaping can give two files one name: the second is refused.
    pub(crate) fn of(&mut self, path: &Path) -> Result<ObjectName> {
        let name = self.plan.suffix.apply(&ObjectName::of_file(path)?)?;
        let name = name.below(&self.plan.folder)?;
        if self.taken.insert(self.hasher.hash_one(&name)) {
            Ok(name)
        } else {
            let url = self.plan.bucket.url(&name);
            Err(Error::failed(format!("another file is already {url}")))
        }
    }
}

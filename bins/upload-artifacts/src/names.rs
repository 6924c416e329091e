//! Which object each file becomes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use common::bucket::{Attributes, ObjectName};
use common::{Error, Result};

use crate::plan::Sync;
use crate::source::Source;

/// An object's name, and what readers are told of it.
pub(crate) type Object = (ObjectName, Attributes);

/// Gives each file the name of its object.
pub(crate) struct Names {
    plan: Sync,
    /// Hashes of the names that are taken.
    taken: HashSet<u64>,
    hasher: RandomState,
}

impl Names {
    pub(crate) fn new(plan: Sync) -> Self {
        let hasher = RandomState::new();
        let single = plan.files.iter();
        let taken = single.map(|(_, name)| hasher.hash_one(name)).collect();
        Names {
            plan,
            taken,
            hasher,
        }
    }

    /// The object for a file, and what readers are told of it. Escaping can give two files one
    /// name: the second is refused.
    pub(crate) fn of(&mut self, path: &Path, source: &Source, real: &Path) -> Result<Object> {
        let name = ObjectName::of_file(path)?;
        let unzipped = self.unzipped(&name, path, source, real);
        let name = self.plan.suffix.apply(unzipped.as_ref().unwrap_or(&name))?;
        let name = name.below(&self.plan.folder)?;
        let types = &self.plan.types;
        let attributes = match unzipped {
            Some(_) => Attributes::of_gzip(&name, types),
            None => Attributes::of(&name, types),
        };
        if self.taken.insert(self.hasher.hash_one(&name)) {
            Ok((name, attributes))
        } else {
            let url = self.plan.bucket.url(&name);
            Err(Error::failed(format!("another file is already {url}")))
        }
    }

    /// Whether an object has a file.
    pub(crate) fn has(&self, name: &ObjectName) -> bool {
        self.taken.contains(&self.hasher.hash_one(name))
    }

    /// The name without `.gz`, for a file that is gzip of a known type: as Prow does it, readers
    /// get what is in it. Not where the bucket cannot tell them, nor where the file of that name
    /// is there as well.
    fn unzipped(
        &self,
        name: &ObjectName,
        path: &Path,
        source: &Source,
        real: &Path,
    ) -> Option<ObjectName> {
        if !self.plan.bucket.knows_encodings() {
            return None;
        }
        self.plan.types.inner(name.file_name())?;
        let plain = ObjectName::parse(name.as_str().strip_suffix(".gz")?).ok()?;
        let alone = !source.has(&path.with_extension(""));
        (alone && source.is_gzip(real)).then_some(plain)
    }
}

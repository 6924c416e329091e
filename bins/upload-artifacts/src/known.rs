//! What --watch has copied already.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells a file from its later self, without reading it. The time is that of the last
/// change of content or attributes, which nobody can set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The file at a path, if one is there.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Stamp::of(&metadata))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

/// The files whose content the bucket has. Nothing is kept where there is one pass only.
#[derive(Debug, Default)]
pub(crate) struct Known {
    keeps: bool,
    files: HashMap<PathBuf, Stamp>,
}

impl Known {
    /// One that keeps what it is told.
    pub(crate) fn keeping() -> Self {
        Known {
            keeps: true,
            ..Known::default()
        }
    }

    pub(crate) fn has(&self, path: &Path, stamp: Option<Stamp>) -> bool {
        stamp.is_some() && self.files.get(path).copied() == stamp
    }

    /// `stamp` is from before the file was read.
    pub(crate) fn add(&mut self, path: PathBuf, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp.filter(|_| self.keeps) {
            self.files.insert(path, stamp);
        }
    }
}

//! A folder in which checkouts leave what they fetched, for later ones: for each repository a
//! bare mirror, shared by the jobs of a machine, or of a cluster over NFS.
//!
//! A checkout never uses the mirror's files in place. It copies packs and computes the id of
//! every object in the copy before it writes any file, so that neither damage nor malice in the
//! mirror gets into it, and the mirror may be removed at any time. The server is asked for the refs in each run; the
//! mirror only saves the transfer. A cache that fails costs time and never a checkout.

mod lock;
mod mirror;
mod pack;
mod prune;
mod seed;

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Error, Result};
use rustix::fs::OFlags;

use crate::opts::Opts;
use crate::plan::Repository;
use crate::runner::Runner;
use lock::Lock;
use mirror::Mirror;
pub(crate) use seed::{Copied, forget_refs, is_unchecked};

/// Where the cache is, and how large and old it may become.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    limits: Limits,
}

/// What is removed at the end of a checkout.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The least recently used mirrors above so many bytes in all.
    size: u64,
    /// Mirrors that were not used for so long.
    age: Duration,
}

impl Cache {
    /// The cache that was asked for, if one was.
    pub(crate) fn new(opts: &Opts) -> Option<Cache> {
        let folder = std::path::absolute(opts.cache.as_ref()?).ok()?;
        let limits = Limits {
            size: opts.cache_max_size,
            age: opts.cache_max_age,
        };
        Some(Cache { folder, limits })
    }

    /// Fills a new repository with what the mirror has; `None` where that is nothing. It is not to be
    /// trusted before [`check`](Cache::check) has come back.
    pub(crate) async fn seed(
        &self,
        repository: &Repository,
        runner: &Runner<'_>,
    ) -> Result<Option<Copied>> {
        let Some(mirror) = self.mirror(repository) else {
            return Ok(None);
        };
        let seeded = async {
            let _shared = Lock::shared(&self.folder, mirror.name(), runner).await?;
            seed::copy(&mirror, &repository.folder)
        };
        match seeded.await {
            Err(error) if is_interruption(&error) => Err(error),
            Err(error) => {
                warn(repository, &error);
                seed::withdraw(&repository.folder)?;
                Ok(None)
            }
            Ok(seeded) => Ok(seeded),
        }
    }

    /// Looks through what came from the mirror; says whether it is what it should be. A mirror of
    /// which it is not is told of and removed.
    pub(crate) async fn check(
        &self,
        copied: &Copied,
        repository: &Repository,
        runner: &Runner<'_>,
    ) -> Result<bool> {
        let Err(damage) = copied.check(runner).await else {
            return Ok(true);
        };
        let Some(mirror) = self
            .mirror(repository)
            .filter(|_| !is_interruption(&damage))
        else {
            return Err(damage);
        };
        let name = repository.name();
        tracing::warn!("{name}: the mirror in the cache is damaged and is replaced: {damage}");
        let removed = async {
            let _exclusive = Lock::exclusive(&self.folder, mirror.name(), runner).await?;
            mirror.remove()
        };
        match removed.await {
            Err(error) if is_interruption(&error) => return Err(error),
            Err(error) => warn(repository, &error),
            Ok(()) => {}
        }
        Ok(false)
    }

    /// Leaves what was fetched for the next checkout, and keeps the cache within its limits.
    pub(crate) async fn store(&self, repository: &Repository, runner: &Runner<'_>) -> Result<()> {
        let Some(mirror) = self.mirror(repository) else {
            return Ok(());
        };
        let stored = async {
            {
                let _exclusive = Lock::exclusive(&self.folder, mirror.name(), runner).await?;
                mirror.store(repository, runner).await?;
            }
            prune::prune(&self.folder, self.limits)
        };
        match stored.await {
            Err(error) if is_interruption(&error) => Err(error),
            Err(error) => {
                warn(repository, &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The repository's mirror. A checkout of a few commits, or one from this machine, has none:
    /// there is little to save.
    fn mirror(&self, repository: &Repository) -> Option<Mirror> {
        if repository.depth.is_some() || repository.url.is_local() {
            return None;
        }
        let name = mirror_name(repository.url.as_str(), repository.filter());
        // The limit of file systems, less the ends that we add.
        (name.len() < 240).then(|| Mirror::new(&self.folder, &name, repository.url.as_str()))
    }
}

/// As a file name, and another one for each URL and filter.
fn mirror_name(url: &str, filter: Option<&str>) -> String {
    let mut name = String::new();
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix(".git").unwrap_or(url);
    for char in [url, "+", filter.unwrap_or("whole")].concat().chars() {
        if char.is_ascii_alphanumeric() || "._-+".contains(char) {
            name.push(char);
        } else {
            for byte in char.to_string().bytes() {
                // Writing to a string does not fail.
                let _ = write!(name, "%{byte:02x}");
            }
        }
    }
    name
}

fn is_interruption(error: &Error) -> bool {
    matches!(error.exit(), common::Exit::Interrupted(_))
}

fn warn(repository: &Repository, error: &Error) {
    let name = repository.name();
    tracing::warn!("{name}: the cache is of no use: {}", error.report());
}

/// Opens a file of the cache, where anybody may have put something. What is no regular file counts
/// as none: a pipe would have the reader wait for ever, and a device never ends.
fn open(path: &Path) -> io::Result<File> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "it is no regular file");
    // To open a device may do something already.
    if !path.symlink_metadata()?.is_file() {
        return Err(none());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    file.metadata()?.is_file().then_some(file).ok_or_else(none)
}

/// The files of a folder with this ending; none where it is not there.
fn files_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_one = path
            .extension()
            .is_some_and(|extension| extension == ending);
        if is_one && entry.file_type()?.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_and_filter_has_a_mirror_of_its_own() {
        let name = mirror_name("https://h:8/o/r.git", Some("tree:0"));
        assert_eq!(name, "https%3a%2f%2fh%3a8%2fo%2fr+tree%3a0");
        assert_eq!(name, mirror_name("https://h:8/o/r/", Some("tree:0")));
        assert_ne!(name, mirror_name("https://h:8/o/r", None));
        assert!(!mirror_name("https://h/../..", None).contains('/'));
    }
}

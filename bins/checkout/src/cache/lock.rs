//! Who may do what in the cache, across processes and hosts.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use common::{Error, Result, ResultExt};

use crate::runner::Runner;

/// The folder of the lock files, in the cache.
const LOCKS: &str = "locks";

/// How often a lock that somebody else has is tried for.
const TURN: Duration = Duration::from_millis(100);

/// A lock on one mirror, held until it is dropped or the process ends, however it ends: a lock
/// of the kernel. On NFS Linux makes it one of the server's, which holds between hosts and is
/// gone a while after its host is.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// One of many readers.
    pub(super) async fn shared(cache: &Path, name: &str, runner: &Runner<'_>) -> Result<Lock> {
        // Somebody else's cache may be read: his lock is not ours to write.
        let file = open(cache, name).or_else(|error| {
            let file = File::open(cache.join(LOCKS).join(name));
            file.map_err(|_| error)
        })?;
        Lock::take(file, cache, runner, File::try_lock_shared).await
    }

    /// The only one.
    pub(super) async fn exclusive(cache: &Path, name: &str, runner: &Runner<'_>) -> Result<Lock> {
        Lock::take(open(cache, name)?, cache, runner, File::try_lock).await
    }

    /// The only one, if nobody else is there.
    pub(super) fn if_free(cache: &Path, name: &str) -> Result<Option<Lock>> {
        let file = open(cache, name)?;
        Ok(file.try_lock().is_ok().then_some(Lock { _file: file }))
    }

    async fn take(
        file: File,
        cache: &Path,
        runner: &Runner<'_>,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Lock> {
        let mut told = false;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                // Two checkouts that both write would damage the mirror.
                Err(TryLockError::Error(error)) => {
                    return Err(Error::failed(format!("lock {}", cache.display()))
                        .because(error)
                        .hint("the file system of the cache has to have locks"));
                }
            }
            if !told {
                tracing::info!("another checkout is at work in the cache: waiting for it");
                told = true;
            }
            runner.sleep(TURN, "waiting for the cache").await?;
        }
    }
}

/// Lock files are beside the mirrors and stay: one that is removed would be locked by one
/// process while another makes a new one.
fn open(cache: &Path, name: &str) -> Result<File> {
    let folder = cache.join(LOCKS);
    fs::create_dir_all(&folder)
        .and_then(|()| {
            let mut options = File::options();
            // NFS wants a file open for writing where it is to be locked for one alone.
            options.create(true).truncate(false).read(true).write(true);
            options.open(folder.join(name))
        })
        .or_failed(|| format!("open the lock of the cache in {}", folder.display()))
}

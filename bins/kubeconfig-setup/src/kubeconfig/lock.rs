//! One writer of a kubeconfig at a time: among ourselves, and beside kubectl.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Error, Result, ResultExt};

const TURN: Duration = Duration::from_millis(20);

/// What is in the file that stops kubectl while we write.
const OURS: &str = "kubeconfig-setup\n";

/// Held until dropped.
///
/// Two locks: one of the kernel, which ends with its process, and with its host on NFS; and the
/// file `KUBECONFIG.lock` that kubectl makes while it writes. A file of ours that is there when we
/// have the first one is a dead process's.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    for_kubectl: PathBuf,
}

impl Lock {
    pub(super) async fn take(kubeconfig: &Path, timeout: Duration) -> Result<Self> {
        let until = Instant::now() + timeout;
        let name = kubeconfig.file_name().unwrap_or_default().to_string_lossy();
        // It stays: one that is removed would be locked by one process while another makes a new.
        let path = kubeconfig.with_file_name(format!(".{name}.flock"));
        let what = || format!("lock {}", kubeconfig.display());
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).or_failed(what)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => wait(until, what, &path).await?,
                Err(TryLockError::Error(error)) => {
                    return Err(Error::failed(what())
                        .because(error)
                        .hint("the file system of the kubeconfig has to have locks"));
                }
            }
        }
        let for_kubectl = kubeconfig.with_file_name(format!("{name}.lock"));
        while !stop_kubectl(kubeconfig, &for_kubectl).or_failed(what)? {
            wait(until, what, &for_kubectl).await?;
        }
        Ok(Lock {
            _file: file,
            for_kubectl,
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who comes next removes what is ours.
        let _ = fs::remove_file(&self.for_kubectl);
    }
}

/// Makes kubectl's lock file, with its content at once; false, if kubectl has it.
fn stop_kubectl(kubeconfig: &Path, lock: &Path) -> io::Result<bool> {
    let folder = kubeconfig.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(OURS.as_bytes())?;
    match fs::hard_link(file.path(), lock) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_to_string(lock).is_ok_and(|text| text == OURS) {
                fs::remove_file(lock)?;
            }
            Ok(false)
        }
        // A file system without links: only our own lock holds there.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

async fn wait(until: Instant, what: impl FnOnce() -> String, lock: &Path) -> Result<()> {
    if Instant::now() >= until {
        let lock = lock.display();
        return Err(Error::unavailable(what())
            .because(format!("{lock} is held by another process"))
            .hint(format!("if no kubectl is at work, remove {lock}")));
    }
    tokio::time::sleep(TURN).await;
    Ok(())
}
